import pg from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { parseTimestamp, types } from '../../src/db/timestamps.ts'

/** The same in both statements. */
const NOW = "timestamptz '2026-11-20 10:20:30.457891+00'"

let client: pg.Client

beforeAll(async () => {
  client = new pg.Client(inject('postgresUrl'))
  await client.connect()
})
afterAll(() => client.end())

test.each([
  ['of now, to the millisecond', `${NOW}::timestamptz(3) + n * interval '1.001 s'`],
  ['to the microsecond', `${NOW} + n * interval '1.000001 s'`],
  ['of whole seconds', `date_trunc('second', ${NOW}) + n * interval '1 hour'`],
  ['of tenths and hundredths', `date_trunc('second', ${NOW}) + n * interval '0.01 s'`],
  ['of many centuries, some before Christ', `${NOW}::timestamptz(3) + (n - 300) * interval '10 years 1 month'`],
  ['of years with five digits', `timestamptz '9999-12-31 23:00:00+00' + n * interval '1 minute'`],
  ['of the end of days', `CASE WHEN n % 2 = 0 THEN 'infinity' ELSE '-infinity' END::timestamptz`],
])('times are read as pg reads them: %s', async (_which, time) => {
  for (const zone of ['UTC', 'Asia/Kolkata', 'America/New_York']) {
    await client.query(`SET timezone = '${zone}'`)
    const text = `SELECT ${time} AS time FROM generate_series(0, 500) AS n`
    const { rows } = await client.query({ text, types })
    expect(rows).toEqual((await client.query(text)).rows)
  }
})

test('what is null or of another type is read as ever', async () => {
  const text = `SELECT NULL::timestamptz AS none, date '2026-11-20' AS date, '{"a": 1}'::json AS json, 5 AS number,
                       ARRAY[timestamptz '2026-11-20 10:00:00+00'] AS times`
  expect((await client.query({ text, types })).rows).toEqual((await client.query(text)).rows)
})

test('a time of the usual form is read without pg', () => {
  expect(parseTimestamp('2026-11-20 10:20:30.04+00')).toEqual(new Date('2026-11-20T10:20:30.040Z'))
})
