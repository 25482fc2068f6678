import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApp, type TestApp } from '../support/app.ts'
import { type JwksServer, startJwksServer } from '../support/jwks-server.ts'
import {
  claims,
  keyPair,
  publicKeyForgeries,
  rawToken,
  signHs256,
  token,
  tokenOf,
  tokenSecret,
  unsigned,
  unsignedTokens,
} from '../support/tokens.ts'
import { codesOf, expectClean } from './table.ts'
import { type Answer, WAYS, type Way, ways } from './ways.ts'

// Cases 24 to 29 by every way in, and acting for a user. What a token may say is tried out in test/transport/tokens.test.ts.

const rsa = keyPair('RS256', 'rsa-1')
const ec = keyPair('ES256', 'ec-1')
/** Somebody else's key, under a kid that is known here. */
const stranger = keyPair('RS256', 'rsa-1')

let app: TestApp
let jwks: JwksServer
/** Where an attacker would have keys fetched from. */
let trap: JwksServer

beforeAll(async () => {
  jwks = await startJwksServer(rsa.jwk, ec.jwk)
  trap = await startJwksServer(stranger.jwk)
  app = await startApp({
    env: {
      JWT_SECRET: tokenSecret,
      JWT_JWKS_URL: jwks.url,
      JWT_ISSUER: 'https://host.example',
      JWT_AUDIENCE: 'parley',
    },
  })
})
afterAll(async () => {
  await app.close()
  await Promise.all([jwks.close(), trap.close()])
})

const VIEWER = { query: '{ viewer { externalId } }' }
const good = { iss: 'https://host.example', aud: 'parley' }
const now = Math.floor(Date.now() / 1000)

const bySecret = (overrides: object = {}) => token({ ...good, ...overrides })
const byKey = (pair: typeof rsa, overrides: object = {}, header = {}) =>
  tokenOf(pair, { ...good, ...overrides }, { header })
const forged = (header: object) => rawToken(header, claims(good), signHs256(tokenSecret))

const ask = (way: Way, authorization: string | undefined, actAs?: string) =>
  ways[way]({ url: app.url, authorization, actAs }, VIEWER)

function expectRefused(way: Way, answer: Answer) {
  expectClean(answer)
  expect(answer.status).toBe(way === 'WebSocket' ? 4403 : 401)
  expect(codesOf(answer)).toEqual(way === 'WebSocket' ? [] : ['UNAUTHENTICATED'])
}

const welcome: [string, string][] = [
  ['signed with the secret', bySecret()],
  ['signed by RS256', byKey(rsa)],
  ['signed by ES256', byKey(ec)],
]

const refused: [number | '', string, string | undefined][] = [
  ['', 'no token', undefined],
  ['', 'an empty one', ''],
  ['', 'a scheme without a token', 'Bearer '],
  ['', 'another scheme', 'Basic YWRhOmFkYQ=='],
  ['', 'a token without a scheme', bySecret()],
  ['', 'two tokens', `Bearer ${bySecret()}, Bearer ${bySecret()}`],
  ...Object.entries(unsignedTokens(good)).map(([what, jwt]): [number, string, string] => [24, what, `Bearer ${jwt}`]),
  ...[rsa, ec].flatMap((pair) =>
    Object.entries(publicKeyForgeries(pair, good)).map(([what, jwt]): [number, string, string] => [
      24,
      `HS256 with the ${pair.alg} public key: ${what}`,
      `Bearer ${jwt}`,
    ]),
  ),
  [24, 'another algorithm', `Bearer ${forged({ alg: 'HS512' })}`],
  [24, "somebody else's key", `Bearer ${byKey(stranger)}`],
  [25, 'payload an array', `Bearer ${rawToken({ alg: 'HS256' }, [claims(good)], signHs256(tokenSecret))}`],
  [25, 'sub an object', `Bearer ${bySecret({ sub: { id: 'ada' } })}`],
  [25, 'no sub', `Bearer ${bySecret({ sub: undefined })}`],
  [25, 'no token at all, but three parts', `Bearer ${rawToken('x', 'y', unsigned)}`],
  ...[
    '../../../../etc/passwd',
    '/dev/null',
    "' OR 1=1 --",
    '$(id)',
    'http://127.0.0.1/',
    '__proto__',
    '\r\nx: y',
    '',
  ].map((kid): [number, string, string] => [
    26,
    `kid ${JSON.stringify(kid)}`,
    `Bearer ${byKey(stranger, {}, { kid })}`,
  ]),
  [29, 'expired', `Bearer ${bySecret({ exp: now - 60 })}`],
  [29, 'not yet valid', `Bearer ${bySecret({ nbf: now + 600 })}`],
  [29, 'issued in the future', `Bearer ${bySecret({ iat: now + 600 })}`],
  [29, 'wrong aud', `Bearer ${bySecret({ aud: 'another' })}`],
  [29, 'wrong iss', `Bearer ${bySecret({ iss: 'https://evil.example' })}`],
  [29, 'no exp', `Bearer ${bySecret({ exp: undefined })}`],
]

for (const way of WAYS) {
  describe(way, () => {
    for (const [what, jwt] of welcome) {
      it(`welcome: ${what}`, async () => {
        expect((await ask(way, `Bearer ${jwt}`)).result).toEqual({ data: { viewer: { externalId: 'ada' } } })
      })
    }

    for (const [number, what, authorization] of refused) {
      it(`${number} refused: ${what}`.trim(), async () => {
        const answer = await ask(way, authorization)
        expectRefused(way, answer)
        for (const part of authorization?.split(/[ .,]/) ?? []) {
          if (part.length > 20) expect(answer.text).not.toContain(part)
        }
      })
    }

    it('26 jku, x5u, jwk and x5c: ignored, nothing fetched', async () => {
      const offers = { jku: trap.url, x5u: trap.url, jwk: stranger.jwk, x5c: [stranger.jwk.n!] }
      expectRefused(way, await ask(way, `Bearer ${byKey(stranger, {}, offers)}`))
      expectRefused(way, await ask(way, `Bearer ${byKey(stranger, {}, { ...offers, kid: 'theirs' })}`))
      expect((await ask(way, `Bearer ${byKey(rsa, {}, offers)}`)).result).toEqual({
        data: { viewer: { externalId: 'ada' } },
      })
      expect(trap.requests).toEqual([])
    })

    it('a user who wants to act for another: refused', async () => {
      await ask(way, `Bearer ${bySecret({ sub: 'bob' })}`)
      expectRefused(way, await ask(way, `Bearer ${bySecret()}`, 'bob'))
      expectRefused(way, await ask(way, `Bearer ${bySecret()}`, 'ada'))
      expectRefused(way, await ask(way, `Bearer ${bySecret({ scope: 'services' })}`, 'bob'))
    })

    it('a service that acts for nobody who is known: refused', async () => {
      const service = `Bearer ${bySecret({ sub: 'host', scope: 'service' })}`
      const nobody = ['nobody', 'host', 'Ada', 'ada, bob', "' OR 1=1 --", 'x'.repeat(256), 'null', '0']
      // A header can't carry these.
      if (way === 'WebSocket') nobody.push('a\0b', 'a\ud800', ' ada', 'zoë')
      for (const actAs of nobody) expectRefused(way, await ask(way, service, actAs))
    })

    it("a service that acts for a user: with that one's rights; for none: nobody", async () => {
      const service = `Bearer ${bySecret({ sub: 'host', scope: 'openid service' })}`
      await ask(way, `Bearer ${bySecret({ sub: 'bob' })}`)
      expect((await ask(way, service, 'bob')).result).toEqual({ data: { viewer: { externalId: 'bob' } } })
      expect((await ask(way, service)).result).toEqual({ data: { viewer: null } })
      const user = await ways[way](
        { url: app.url, authorization: service },
        { query: '{ user(externalId: "host") { id } }' },
      )
      expect(user.result).toEqual({ data: { user: null } })
    })
  })
}

describe('keys', () => {
  it('27 1,000 unknown kids: one JWKS fetch', async () => {
    const fetched = jwks.requests.length
    for (let done = 0; done < 1_000; done += 50) {
      await Promise.all(
        Array.from({ length: 50 }, async (_, i) => {
          const way = WAYS[i % WAYS.length]!
          expectRefused(way, await ask(way, `Bearer ${byKey(stranger, {}, { kid: `kid-${done + i}` })}`))
        }),
      )
    }
    // The first fetch may have been just now, which counts as the one.
    expect(jwks.requests.length - fetched).toBeLessThanOrEqual(1)
  })

  it('28 JWKS down: known keys work, a new kid is refused', async () => {
    await jwks.down()
    for (const way of WAYS) {
      for (const pair of [rsa, ec]) {
        expect((await ask(way, `Bearer ${byKey(pair)}`)).result).toEqual({ data: { viewer: { externalId: 'ada' } } })
      }
      expectRefused(way, await ask(way, `Bearer ${byKey(keyPair('ES256', 'new'))}`))
    }
    await jwks.up()
  })
})
