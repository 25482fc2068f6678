import { GraphQLError, GraphQLScalarType } from 'graphql'
import { GraphQLDateTimeISO, GraphQLJSONObject, GraphQLSafeInt } from 'graphql-scalars'
import { isoTime } from '../lib/iso-time.ts'
import { builder } from './builder.ts'

/** With an offset, a time may lie in a year that RFC 3339 can't write in UTC: it would go out in a form that can't come in. */
function inFourDigits(date: Date): Date {
  const year = date.getUTCFullYear()
  if (year >= 0 && year <= 9999) return date
  throw new GraphQLError('DateTime cannot represent a year outside 0000 to 9999.')
}

function isValid(value: unknown): value is Date {
  return value instanceof Date && !Number.isNaN(value.getTime())
}

const DateTime = new GraphQLScalarType({
  ...GraphQLDateTimeISO.toConfig(),
  name: 'DateTime',
  serialize: (value) => (isValid(value) ? isoTime(value) : GraphQLDateTimeISO.serialize(value)),
  parseValue: (value) => inFourDigits(GraphQLDateTimeISO.parseValue(value)),
  parseLiteral: (node, variables) => inFourDigits(GraphQLDateTimeISO.parseLiteral(node, variables)),
})

builder.addScalarType('DateTime', DateTime, {
  description: 'A point in time as RFC 3339 in UTC with milliseconds, such as 2026-11-20T10:00:00.000Z.',
})
builder.addScalarType('SafeInt', GraphQLSafeInt, { description: 'An integer up to 2^53 - 1, as a JSON number.' })
builder.addScalarType('JSONObject', GraphQLJSONObject, { description: 'A JSON object.' })
