import { serverAudits } from 'graphql-http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startApp, type TestApp } from '../support/app.ts'

const refusedAs200 =
  'Refused as a bad document is: with 200 for those who take only application/json, else 400. The audit is a MAY.'

/** By the audit's id: what is done otherwise than recommended, and why. */
const EXCEPTIONS: Record<string, string> = {
  '6C00': refusedAs200, // an object as operationName
  '6C01': refusedAs200, // a number
  '6C02': refusedAs200, // a boolean
  '6C03': refusedAs200, // an array
}

let app: TestApp
let token: string
beforeAll(async () => {
  app = await startApp()
  token = await app.as('ada').token
})
afterAll(() => app.close())

const audits = serverAudits({
  url: () => `${app.url}/graphql`,
  fetchFn: (url: string, init: RequestInit = {}) =>
    fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } }),
})

describe('GraphQL over HTTP: the server', () => {
  test.each(audits.map((audit) => [audit.name, audit] as const))('%s', async (_name, audit) => {
    const result = await audit.fn()
    const outcome = result.status === 'ok' ? 'ok' : result.reason
    if (audit.id in EXCEPTIONS) expect(outcome).not.toBe('ok')
    else expect(outcome).toBe('ok')
  })

  test('has no exception from a MUST, nor from what is not audited', () => {
    const optional = audits.filter(({ name }) => !name.startsWith('MUST')).map(({ id }) => id)
    expect(optional).toEqual(expect.arrayContaining(Object.keys(EXCEPTIONS)))
  })
})
