import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import {
  type GraphQLObjectType,
  type IntrospectionType,
  introspectionFromSchema,
  isNonNullType,
  isSpecifiedScalarType,
  lexicographicSortSchema,
  printSchema,
} from 'graphql'
import { describe, expect, test } from 'vitest'
import { schema } from '../src/schema/index.ts'

const root = new URL('..', import.meta.url)
const committed = readFileSync(new URL('schema.graphql', root), 'utf8')

describe('the schema', () => {
  test('prints exactly schema.graphql', () => {
    expect(`${printSchema(schema)}\n`).toBe(committed)
  })

  test('is sorted', () => {
    expect(printSchema(lexicographicSortSchema(schema))).toBe(printSchema(schema))
  })

  test('describes everything that it shows', () => {
    const { types } = introspectionFromSchema(schema).__schema
    const own = types.filter(({ name }) => !name.startsWith('__') && !isSpecifiedScalarType(schema.getType(name)!))
    expect(own.flatMap(undescribed)).toEqual([])
  })

  test.each([schema.getQueryType()!, schema.getMutationType()!])(
    'has only nullable fields in $name, so that one that fails leaves the others',
    (type: GraphQLObjectType) => {
      const fields = Object.values(type.getFields())
      expect(fields.length).toBeGreaterThan(0)
      expect(fields.filter((field) => isNonNullType(field.type)).map((field) => field.name)).toEqual([])
    },
  )

  test('is imported in an empty environment, of which it reads nothing, and connects to nothing', async () => {
    // The process must end by itself: whatever was left open would keep it.
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', '--input-type', 'module', '--eval', IMPORT],
      { cwd: root, env: {}, timeout: 15_000 },
    )
    expect(JSON.parse(stdout)).toEqual({ query: 'Query', used: [] })
  })
})

/** Imports the schema, and prints what our own code read of the environment and what anybody connected to. */
const IMPORT = `
import net from 'node:net'

const used = []
const own = new URL('src/', 'file://' + process.cwd() + '/').pathname
const note = (what) => {
  const caller = new Error().stack.split('\\n')[3] ?? ''
  if (caller.includes(own)) used.push(what)
}
process.env = new Proxy(process.env, {
  get: (env, name) => (note('env ' + String(name)), env[name]),
  has: (env, name) => (note('env ' + String(name)), name in env),
  ownKeys: (env) => (note('env'), Reflect.ownKeys(env)),
})
process.loadEnvFile = () => used.push('.env')
net.Socket.prototype.connect = (...to) => used.push('connect ' + JSON.stringify(to))

const { schema } = await import('./src/schema/index.ts')
console.log(JSON.stringify({ query: schema.getQueryType().name, used }))
`

/** The coordinates of a type and of what it holds, where they have no description. */
function undescribed(type: IntrospectionType): string[] {
  const fields = type.kind === 'OBJECT' || type.kind === 'INTERFACE' ? type.fields : []
  const values = type.kind === 'ENUM' ? type.enumValues : type.kind === 'INPUT_OBJECT' ? type.inputFields : []
  const named = [
    { at: type.name, ...type },
    ...values.map((value) => ({ ...value, at: `${type.name}.${value.name}` })),
    ...fields.flatMap((field) => [
      { ...field, at: `${type.name}.${field.name}` },
      ...field.args.map((arg) => ({ ...arg, at: `${type.name}.${field.name}(${arg.name}:)` })),
    ]),
  ]
  return named.filter(({ description }) => !description?.trim()).map(({ at }) => at)
}
