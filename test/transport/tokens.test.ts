import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { UnauthenticatedError } from '../../src/lib/errors.ts'
import { mintToken } from '../../src/lib/token.ts'
import { bearerToken, createTokenVerifier, type TokenSettings } from '../../src/transport/identity/authenticate.ts'
import { failing, hanging, type JwksServer, startJwksServer } from '../support/jwks-server.ts'
import {
  claims,
  keyPair,
  publicKeyForgeries,
  rawToken,
  signHs256,
  signWith,
  token,
  tokenOf,
  tokenSecret,
  unsigned,
  unsignedTokens,
} from '../support/tokens.ts'

// Security cases 24 to 29 where tokens are checked; the same over the transports is in another suite.

// Far from today: a check that looked at the real time would not pass.
const start = Date.UTC(2040, 0, 1)
const clock = { time: start, now: () => clock.time }
const pass = (seconds: number) => {
  clock.time += seconds * 1000
}

const rsa = keyPair('RS256', 'rsa-1')
const ec = keyPair('ES256', 'ec-1')
const ed = keyPair('EdDSA', 'ed-1')
/** Somebody else's key, under a kid that is known here. */
const stranger = keyPair('RS256', 'rsa-1')

let jwks: JwksServer
/** Where an attacker would have keys fetched from. */
let trap: JwksServer
let logged: string

beforeEach(async () => {
  clock.time = start
  logged = ''
  jwks = await startJwksServer(rsa.jwk, ec.jwk, ed.jwk)
  trap = await startJwksServer(stranger.jwk)
})

afterEach(async () => {
  await jwks.close()
  await trap.close()
})

function verifier(settings: Partial<TokenSettings>) {
  const write = (line: string) => {
    logged += line
  }
  const log = pino({ level: 'trace' }, { write })
  return createTokenVerifier(
    { secret: undefined, jwksUrl: undefined, issuer: undefined, audience: undefined, ...settings },
    { clock, log },
  )
}

const bySecret = (settings: Partial<TokenSettings> = {}) => verifier({ secret: tokenSecret, ...settings })
const byJwks = (settings: Partial<TokenSettings> = {}) => verifier({ jwksUrl: jwks.url, ...settings })
const byBoth = () => verifier({ secret: tokenSecret, jwksUrl: jwks.url })

type Verifier = ReturnType<typeof verifier>

/** Expects the token to be refused with a message that, like the log, holds nothing of the token. */
async function expectRefused(keys: Verifier, refused: string, reason: RegExp) {
  const error = await keys.verify(refused).then(
    (accepted) => expect.fail(`accepted, with ${JSON.stringify(accepted)}`),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(UnauthenticatedError)
  const { message, cause } = error as UnauthenticatedError
  expect(message).toMatch(reason)
  expect(message).toMatch(/^[\x20-\x7e]{1,100}$/)
  expect(cause).toBeUndefined()
  for (const part of refused.split('.').filter((part) => part.length > 8)) {
    expect(message).not.toContain(part)
    expect(logged).not.toContain(part)
  }
}

/** Makes a token at the clock's time. */
const now = (overrides: Record<string, unknown> = {}) => token(overrides, clock.time)
const by = (pair: typeof rsa, overrides: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
  tokenOf(pair, overrides, { header, now: clock.time })
const signed = (header: unknown, payload: unknown) => rawToken(header, payload, signHs256(tokenSecret))

describe('a good token', () => {
  it('signed with the shared secret gives its claims', async () => {
    const profile = {
      name: 'Ada Lovelace',
      username: 'ada',
      picture: 'https://example.org/ada.png',
      email: 'ada@example.org',
      role: 'mentor',
    }
    const iat = start / 1000
    expect(await bySecret().verify(now(profile))).toStrictEqual({
      ...{ sub: 'ada', issuedAt: iat, expiresAt: iat + 3600, isService: false },
      ...profile,
    })
  })

  it('without optional claims gives undefined for them, null for the time of issue', async () => {
    const bare = await bySecret().verify(now({ iat: undefined }))
    expect(bare.issuedAt).toBeNull()
    for (const claim of ['name', 'username', 'picture', 'email', 'role'] as const) expect(bare[claim]).toBeUndefined()
  })

  for (const alg of [
    'RS256',
    'RS384',
    'RS512',
    'PS256',
    'PS384',
    'PS512',
    'ES256',
    'ES384',
    'ES512',
    'EdDSA',
    'Ed25519',
  ])
    it(`signed by ${alg} is checked by the JWKS, with and without a shared secret beside it`, async () => {
      const pair = keyPair(alg, 'the-key')
      jwks.serve(pair.jwk)
      expect(await byJwks().verify(by(pair))).toMatchObject({ sub: 'ada' })
      expect(await byBoth().verify(by(pair))).toMatchObject({ sub: 'ada' })
    })

  it('of each kind is accepted when both are set', async () => {
    const both = byBoth()
    expect(await both.verify(now({ sub: 'by secret' }))).toMatchObject({ sub: 'by secret' })
    expect(jwks.requests).toEqual([])
    expect(await both.verify(by(ec, { sub: 'by JWKS' }))).toMatchObject({ sub: 'by JWKS' })
    expect(jwks.requests).toEqual(['/.well-known/jwks.json'])
  })

  it('minted for development is accepted', async () => {
    const expiresInSeconds = 60
    const full = { name: 'Ada', username: 'ada', scope: 'chat service', issuer: 'host', audience: 'parley' }
    const minted = await mintToken({ secret: tokenSecret, sub: 'ada', ...full, expiresInSeconds, now: start + 999 })
    expect(await bySecret({ issuer: 'host', audience: 'parley' }).verify(minted)).toMatchObject({
      ...{ sub: 'ada', name: 'Ada', username: 'ada', isService: true },
      ...{ issuedAt: start / 1000, expiresAt: start / 1000 + 60 },
    })
    const bare = await mintToken({ secret: tokenSecret, sub: 'ada', expiresInSeconds, now: start })
    expect(await bySecret().verify(bare)).toMatchObject({ sub: 'ada', isService: false, name: undefined })
    pass(65)
    await expectRefused(bySecret(), bare, /expired/)
  })
})

describe('24 no signature, or one made with a public key', () => {
  for (const [name, refused] of Object.entries(unsignedTokens({}, start)))
    it(name, async () => {
      for (const each of [bySecret(), byJwks(), byBoth()]) {
        await expectRefused(each, refused, /algorithm|malformed|signature is wrong/)
      }
    })

  for (const pair of [rsa, ec, ed])
    for (const [name, refused] of Object.entries(publicKeyForgeries(pair, {}, start)))
      it(`HS256 with the ${pair.alg} public key: ${name}`, async () => {
        await expectRefused(byJwks(), refused, /algorithm/)
        await expectRefused(byBoth(), refused, /signature is wrong/)
        expect(jwks.requests).toEqual([])
      })

  it('HS256 with a secret that the JWKS holds by mistake', async () => {
    const k = Buffer.from('a secret that nobody should have published')
    jwks.serve(rsa.jwk, { kty: 'oct', kid: 'oct-1', alg: 'HS256', use: 'sig', k: k.toString('base64url') })
    const refused = rawToken({ alg: 'HS256', kid: 'oct-1' }, claims({}, start), signHs256(k))
    await expectRefused(byJwks(), refused, /algorithm/)
    await expectRefused(byBoth(), refused, /signature is wrong/)
  })

  it('another algorithm than the settings allow', async () => {
    for (const alg of ['HS384', 'HS512', 'hs256', 'RS1', 'ML-DSA-44', 'A128KW', '__proto__', 'constructor']) {
      for (const each of [bySecret(), byJwks(), byBoth()]) {
        await expectRefused(each, signed({ alg }, claims({}, start)), /algorithm/)
      }
    }
    await expectRefused(bySecret(), by(rsa), /algorithm/)
    await expectRefused(byJwks(), now(), /algorithm/)
  })

  it('a key of the JWKS, used with an algorithm that it is not for', async () => {
    await expectRefused(byJwks(), by(rsa, {}, { kid: 'ec-1' }), /key is unknown/)
    await expectRefused(byJwks(), by(rsa, {}, { alg: 'RS512' }), /key is unknown/)
    await expectRefused(byJwks(), by(ec, {}, { alg: 'EdDSA' }), /key is unknown/)
  })

  it('a signature by another key, or over other content', async () => {
    await expectRefused(bySecret(), rawToken({ alg: 'HS256' }, claims({}, start), signHs256('')), /signature is wrong/)
    await expectRefused(byJwks(), by(stranger), /signature is wrong/)
    const [header, , signature] = by(rsa).split('.')
    const [, payload] = by(rsa, { sub: 'eve' }).split('.')
    await expectRefused(byJwks(), `${header}.${payload}.${signature}`, /signature is wrong/)
  })

  it('settings under which anybody could sign are refused at the start', () => {
    const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    for (const secret of [pem, ` \n${pem}`, JSON.stringify(rsa.jwk), '']) expect(() => verifier({ secret })).toThrow()
    expect(() => verifier({})).toThrow()
    expect(() => verifier({ jwksUrl: 'not a URL' })).toThrow()
  })
})

describe('25 what is not a token', () => {
  const header = { alg: 'HS256' }
  const payload = claims({}, start)
  const { sub, ...withoutSub } = payload
  const table: [string, string, RegExp][] = [
    ['payload an array', signed(header, [payload]), /malformed/],
    ['payload a string', signed(header, '"ada"'), /malformed/],
    ['payload null', signed(header, 'null'), /malformed/],
    ['payload not JSON', signed(header, '{"sub":'), /malformed/],
    ['payload empty', signed(header, ''), /malformed/],
    ['payload not UTF-8', signed(header, Buffer.from('{"sub":"\xff","exp":9e9}', 'latin1')), /malformed/],
    ['sub an object', signed(header, { ...payload, sub: { id: 'ada' } }), /sub must be/],
    ['sub an array', signed(header, { ...payload, sub: ['ada'] }), /sub must be/],
    ['sub a number', signed(header, { ...payload, sub: 1 }), /sub must be/],
    ['sub null', signed(header, { ...payload, sub: null }), /sub must be/],
    ['sub empty', signed(header, { ...payload, sub: '' }), /sub must be/],
    ['sub of 256 characters', signed(header, { ...payload, sub: 'a'.repeat(256) }), /sub must be/],
    ['sub of 256 emoji', signed(header, { ...payload, sub: '😀'.repeat(256) }), /sub must be/],
    ['sub with NUL', signed(header, { ...payload, sub: 'a\0da' }), /sub must be/],
    ['sub with a lone surrogate', signed(header, '{"sub":"a\\ud83d","exp":9e9}'), /sub must be/],
    ['sub only in __proto__', signed(header, '{"__proto__":{"sub":"ada"},"exp":9e9}'), /has no sub/],
    ['no sub', signed(header, withoutSub), /has no sub/],
    ['header an array', signed([header], payload), /malformed/],
    ['header not JSON', signed('alg: HS256', payload), /malformed/],
    ['header naming a critical extension', signed({ ...header, crit: ['x'], x: 1 }, payload), /malformed/],
    ['unencoded payload', signed({ ...header, crit: ['b64'], b64: false }, payload), /malformed|signature is wrong/],
    ['empty', '', /malformed/],
    ['a word', 'token', /malformed/],
    ['dots', '..', /malformed/],
    ['four parts', `${now()}.x`, /malformed/],
    ['five parts, as if encrypted', `${now()}.x.x`, /malformed/],
    ['a part that is not base64url', now().replace('.', '.*'), /malformed|signature is wrong/],
    ['not ASCII', `${now()}é`, /malformed/],
    ['over 16 KiB', now({ padding: 'x'.repeat(16 * 1024) }), /too long/],
    ['over 16 KiB of dots', '.'.repeat(16 * 1024 + 1), /too long/],
  ]
  for (const [name, refused, reason] of table) it(name, () => expectRefused(bySecret(), refused, reason))

  it('a sub of 255 characters of any kind is accepted', async () => {
    for (const longest of ['a'.repeat(255), '😀'.repeat(255), 'עִבְ'.repeat(51)]) {
      expect(await bySecret().verify(now({ sub: longest }))).toMatchObject({ sub: longest })
    }
  })

  it('a token of just 16 KiB is accepted', async () => {
    const sized = (length: number) => now({ padding: 'x'.repeat(length) })
    let length = 12_000
    while (sized(length + 1).length <= 16 * 1024) length++
    expect(sized(length + 2).length).toBeGreaterThan(16 * 1024)
    expect(await bySecret().verify(sized(length))).toMatchObject({ sub: 'ada' })
  })
})

describe('26 a header that names keys of its own', () => {
  const kids = [
    ...['../../../../../etc/passwd', '/dev/null', 'file:///dev/null', '..%2f..%2fjwks.json', 'C:\\Windows\\win.ini'],
    ...["' OR 1=1 --", "x' UNION SELECT 'secret", '"; DROP TABLE users; --', '$(id)', '| id', '\0', 'a\r\nb'],
    ...[
      '__proto__',
      'constructor',
      'toString',
      '',
      ' ',
      'k'.repeat(5_000),
      1,
      true,
      null,
      {},
      ['rsa-1'],
      { kid: 'rsa-1' },
    ],
  ]
  /** Everything by which a token may offer a key; each points to the attacker's. */
  const offers = () => ({
    jku: trap.url,
    x5u: trap.url,
    jwk: stranger.jwk,
    x5c: [stranger.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')],
    'x5t#S256': 'AAAA',
  })
  const nothingElseFetched = () => {
    expect(trap.requests).toEqual([])
    expect(new Set(jwks.requests)).toEqual(new Set(['/.well-known/jwks.json']))
  }

  for (const kid of kids)
    it(`kid ${JSON.stringify(kid).slice(0, 40)}`, async () => {
      const keys = byJwks()
      await expectRefused(keys, by(stranger, {}, { kid }), /key is unknown/)
      await expectRefused(keys, by(rsa, {}, { kid }), /key is unknown/)
      for (const empty of ['', '\0', 'null']) {
        await expectRefused(byBoth(), rawToken({ alg: 'HS256', kid }, claims({}, start), signHs256(empty)), /wrong/)
      }
      expect(await bySecret().verify(signed({ alg: 'HS256', kid }, claims({}, start)))).toMatchObject({ sub: 'ada' })
      nothingElseFetched()
      expect(({} as Record<string, unknown>).kid).toBeUndefined()
    })

  it('a kid that is a URL', async () => {
    await expectRefused(byJwks(), by(stranger, {}, { kid: trap.url }), /key is unknown/)
    nothingElseFetched()
  })

  it('jku, x5u, jwk and x5c, one by one and together', async () => {
    const keys = byBoth()
    for (const header of [...Object.entries(offers()).map(([name, value]) => ({ [name]: value })), offers()]) {
      await expectRefused(keys, by(stranger, {}, header), /signature is wrong/)
      await expectRefused(keys, by(stranger, {}, { ...header, kid: 'theirs' }), /key is unknown/)
      await expectRefused(bySecret(), by(stranger, {}, header), /algorithm/)
      // Ignored means that a good signature stays good.
      expect(await keys.verify(by(rsa, {}, header))).toMatchObject({ sub: 'ada' })
      expect(await keys.verify(signed({ alg: 'HS256', ...header }, claims({}, start)))).toMatchObject({ sub: 'ada' })
    }
    nothingElseFetched()
  })

  it('without a kid, the one key that fits is taken, and two are refused', async () => {
    expect(await byJwks().verify(by(rsa, {}, { kid: undefined }))).toMatchObject({ sub: 'ada' })
    jwks.serve(rsa.jwk, keyPair('RS256', 'rsa-2').jwk)
    jwks.requests.length = 0
    const keys = byJwks()
    await expectRefused(keys, by(rsa, {}, { kid: undefined }), /kid/)
    pass(30)
    await expectRefused(keys, by(rsa, {}, { kid: undefined }), /kid/)
    expect(jwks.requests).toHaveLength(1)
  })
})

describe('27 unknown keys', () => {
  const unknown = (kid: string) => by(stranger, {}, { kid })
  const thousand = Array.from({ length: 1_000 }, (_, i) => unknown(`kid-${i}`))

  it('1,000 at once on a new server: one fetch', async () => {
    const keys = byJwks()
    await Promise.all(thousand.map((each) => expectRefused(keys, each, /key is unknown/)))
    expect(jwks.requests).toHaveLength(1)
  })

  it('1,000 one after another, in the time of a cooldown: one fetch', async () => {
    const keys = byJwks()
    await keys.verify(by(rsa))
    pass(30)
    jwks.requests.length = 0
    for (const each of thousand) {
      await expectRefused(keys, each, /key is unknown/)
      pass(0.029)
    }
    expect(jwks.requests).toHaveLength(1)
  })

  it('1,000 while the server fails: one fetch in 5 seconds', async () => {
    jwks.answerWith(failing)
    const keys = byJwks()
    await Promise.all(thousand.map((each) => expectRefused(keys, each, /could not be loaded/)))
    for (const each of thousand.slice(0, 100)) await expectRefused(keys, each, /could not be loaded/)
    expect(jwks.requests).toHaveLength(1)
    expect(logged.match(/could not be loaded/g)).toHaveLength(1)
    pass(4.999)
    await expectRefused(keys, unknown('late'), /could not be loaded/)
    expect(jwks.requests).toHaveLength(1)
    pass(0.001)
    await expectRefused(keys, unknown('later'), /could not be loaded/)
    expect(jwks.requests).toHaveLength(2)
  })

  it('a new key is found once the cooldown is over', async () => {
    const keys = byJwks()
    await keys.verify(by(rsa))
    const next = keyPair('ES384', 'next')
    jwks.serve(rsa.jwk, next.jwk)
    pass(29.999)
    await expectRefused(keys, by(next), /key is unknown/)
    pass(0.001)
    expect(await keys.verify(by(next))).toMatchObject({ sub: 'ada' })
    expect(await keys.verify(by(rsa))).toMatchObject({ sub: 'ada' })
    expect(jwks.requests).toHaveLength(2)
  })

  it('a clock that is set back does not put off the next fetch', async () => {
    const keys = byJwks()
    await keys.verify(by(rsa))
    pass(-3_600)
    const next = keyPair('ES256', 'next')
    jwks.serve(next.jwk)
    expect(await keys.verify(by(next))).toMatchObject({ sub: 'ada' })
  })

  it('a withdrawn key is refused after the refresh that its use sets off', async () => {
    const keys = byJwks()
    await keys.verify(by(rsa))
    jwks.serve(ec.jwk)
    pass(599)
    await keys.verify(by(rsa))
    expect(jwks.requests).toHaveLength(1)
    pass(1)
    await vi.waitFor(() => expectRefused(keys, by(rsa), /key is unknown/), { timeout: 30_000 })
    expect(jwks.requests).toHaveLength(2)
  })
})

describe('28 the JWKS server is away', () => {
  const away: [string, () => void | Promise<void>][] = [
    ['refuses connections', () => jwks.down()],
    ['answers 500', () => jwks.answerWith(failing)],
    ['answers with HTML', () => jwks.answerWith((response) => response.end('<h1>Maintenance</h1>'))],
    ['answers with JSON that is no key set', () => jwks.answerWith((response) => response.end('{"keys":"soon"}'))],
    ['redirects', () => jwks.answerWith((response) => response.writeHead(302, { location: trap.url }).end())],
    ['breaks connections', () => jwks.answerWith((response) => response.destroy())],
  ]
  for (const [name, goAway] of away)
    it(`${name}: known keys work, a new one is refused, all is well when it is back`, async () => {
      const keys = byJwks()
      await keys.verify(by(rsa))
      await goAway()
      const next = keyPair('ES256', 'next')
      for (const later of [1, 600, 86_400]) {
        pass(later)
        expect(await keys.verify(by(rsa))).toMatchObject({ sub: 'ada' })
        expect(await keys.verify(by(ed))).toMatchObject({ sub: 'ada' })
        await expectRefused(keys, by(next), /key is unknown/)
      }
      expect(trap.requests).toEqual([])
      expect(logged).toContain('could not be loaded')
      if (name === 'refuses connections') await jwks.up()
      jwks.serve(rsa.jwk, next.jwk)
      pass(5)
      expect(await keys.verify(by(next))).toMatchObject({ sub: 'ada' })
    })

  it('from the start: refused, then accepted as soon as it is there', async () => {
    await jwks.down()
    const keys = byBoth()
    await expectRefused(keys, by(rsa), /could not be loaded/)
    expect(await keys.verify(now())).toMatchObject({ sub: 'ada' })
    await jwks.up()
    pass(5)
    expect(await keys.verify(by(rsa))).toMatchObject({ sub: 'ada' })
  })

  it('hangs: known keys do not wait for it, and a new one is refused in the end', async () => {
    const keys = byJwks()
    await keys.verify(by(rsa))
    jwks.answerWith(hanging)
    pass(600)
    expect(await keys.verify(by(rsa))).toMatchObject({ sub: 'ada' })
    await vi.waitFor(() => expect(jwks.requests).toHaveLength(2), { timeout: 30_000 })
    const refused = expectRefused(keys, by(stranger, {}, { kid: 'new' }), /key is unknown/)
    for (let i = 0; i < 100; i++) await keys.verify(by(rsa))
    expect(logged).toBe('')
    await refused
    expect(logged).toContain('could not be loaded')
    expect(jwks.requests).toHaveLength(2)
  })

  it('a key in it that is too weak, or private, is refused and logged', async () => {
    const secret = rsa.privateKey.export({ format: 'jwk' })
    jwks.serve({ ...rsa.jwk, kid: 'weak', n: rsa.jwk.n?.slice(0, 128) }, { ...secret, kid: 'private' }, ec.jwk)
    const keys = byJwks()
    await expectRefused(keys, by(rsa, {}, { kid: 'weak' }), /key cannot be used/)
    await expectRefused(keys, by(rsa, {}, { kid: 'private' }), /key cannot be used/)
    expect(logged).toContain('cannot be used')
    expect(logged).not.toContain(secret.d)
    expect(await keys.verify(by(ec))).toMatchObject({ sub: 'ada' })
  })
})

describe('29 time, audience and issuer', () => {
  const seconds = start / 1000
  const fixed = { issuer: 'https://host.example', audience: 'parley' }
  const good = { iss: fixed.issuer, aud: fixed.audience }
  const refused: [string, Record<string, unknown>, RegExp][] = [
    ['expired', { exp: seconds - 3600 }, /expired/],
    ['expired by the leeway', { exp: seconds - 5 }, /expired/],
    ['expired long ago', { exp: -1 }, /expired/],
    ['not yet valid', { nbf: seconds + 3600 }, /not valid yet/],
    ['not yet valid by more than the leeway', { nbf: seconds + 6 }, /not valid yet/],
    ['no exp', { exp: undefined }, /has no exp/],
    ['exp null', { exp: null }, /exp is not a number/],
    ['exp a string', { exp: String(seconds + 3600) }, /exp is not a number/],
    ['exp beyond any date', { exp: 8.64e12 + 1 }, /exp is out of range/],
    ['iat a string', { iat: String(seconds) }, /iat is not a number/],
    ['iat beyond any date', { iat: 1e300 }, /iat is out of range/],
    ['iat before what PostgreSQL can hold', { iat: -1e12 }, /iat is out of range/],
    ['iat more than a minute ahead', { iat: seconds + 61 }, /iat is in the future/],
    ['nbf an object', { nbf: {} }, /nbf is not a number/],
    ['wrong aud', { aud: 'another' }, /another audience/],
    ['aud longer than ours', { aud: 'parley2' }, /another audience/],
    ['aud a list without ours', { aud: ['another', 'parley '] }, /another audience/],
    ['aud an object', { aud: { parley: true } }, /another audience/],
    ['no aud', { aud: undefined }, /has no aud/],
    ['wrong iss', { iss: 'https://evil.example' }, /another issuer/],
    ['iss with a slash more', { iss: 'https://host.example/' }, /another issuer/],
    ['iss a list', { iss: [fixed.issuer] }, /another issuer/],
    ['no iss', { iss: undefined }, /has no iss/],
  ]
  for (const [name, overrides, reason] of refused)
    it(name, async () => {
      const all = { ...good, ...overrides }
      await expectRefused(bySecret(fixed), now(all), reason)
      await expectRefused(byJwks(fixed), by(ec, all), reason)
    })

  it('exp that JSON can write but no number can hold', async () => {
    const payload = `{"sub":"ada","exp":1e400}`
    await expectRefused(bySecret(), signed({ alg: 'HS256' }, payload), /exp is out of range/)
    await expectRefused(byJwks(), rawToken({ alg: 'ES256', kid: 'ec-1' }, payload, signWith(ec)), /out of range/)
  })

  it('the same claims, unsigned, are refused for the signature and not for the claims', async () => {
    const payload = claims({ exp: 0 }, start)
    await expectRefused(bySecret(), rawToken({ alg: 'HS256' }, payload, unsigned), /signature is wrong/)
  })

  const accepted: [string, Record<string, unknown>][] = [
    ['as configured', {}],
    ['expired within the leeway', { exp: seconds - 4 }],
    ['valid from now on', { nbf: seconds }],
    ['valid from within the leeway on', { nbf: seconds + 5 }],
    ['aud a list with ours', { aud: ['another', 'parley'] }],
    ['iat a minute ahead', { iat: seconds + 60 }],
    ['fractions of seconds', { iat: seconds - 0.5, exp: seconds + 0.5 }],
  ]
  for (const [name, overrides] of accepted)
    it(`accepted: ${name}`, async () => {
      const all = { ...good, ...overrides }
      expect(await bySecret(fixed).verify(now(all))).toMatchObject({ sub: 'ada' })
      expect(await byJwks(fixed).verify(by(ec, all))).toMatchObject({ sub: 'ada' })
    })

  it('audience and issuer are not looked at unless set', async () => {
    expect(await bySecret().verify(now({ iss: 'anybody', aud: ['anything'] }))).toMatchObject({ sub: 'ada' })
  })

  it('a token that was good expires as the clock goes on', async () => {
    const oneHour = now()
    pass(3_604)
    expect(await bySecret().verify(oneHour)).toMatchObject({ sub: 'ada' })
    pass(1)
    await expectRefused(bySecret(), oneHour, /expired/)
  })
})

describe('a token that was verified before', () => {
  it('is refused for what the time has made of it, and accepted again where the clock is set back', async () => {
    const keys = bySecret()
    const given = now({ nbf: start / 1000, iat: start / 1000 + 30, exp: start / 1000 + 60 })
    const accepted = await keys.verify(given)
    for (const [seconds, reason] of [
      [0, null],
      [64, null],
      [65, /expired/],
      [-5, null],
      [-6, /not valid yet/],
      [10, null],
    ] as const) {
      clock.time = start + seconds * 1000
      if (reason) await expectRefused(keys, given, reason)
      else expect(await keys.verify(given)).toStrictEqual(accepted)
    }
    const ahead = now({ iat: clock.time / 1000 + 60, exp: clock.time / 1000 + 600 })
    expect(await keys.verify(ahead)).toMatchObject({ sub: 'ada' })
    pass(-1)
    await expectRefused(keys, ahead, /iat is in the future/)
  })

  it('says nothing about another of the same claims, or by another key', async () => {
    const keys = bySecret()
    const given = now()
    expect(await keys.verify(given)).toMatchObject({ sub: 'ada' })
    const [header, payload, signature] = given.split('.')
    await expectRefused(keys, `${header}.${payload}.${signature!.slice(0, -2)}AA`, /signature is wrong/)
    await expectRefused(keys, `${header}.${now({ sub: 'eve' }).split('.')[1]}.${signature}`, /signature is wrong/)
    await expectRefused(verifier({ secret: `${tokenSecret}!` }), given, /signature is wrong/)
  })

  it('is refused with the settings of another verifier', async () => {
    const given = now({ aud: 'parley' })
    expect(await bySecret({ audience: 'parley' }).verify(given)).toMatchObject({ sub: 'ada' })
    await expectRefused(bySecret({ audience: 'other' }), given, /audience/)
  })

  it('is not remembered where its key may be withdrawn', async () => {
    const keys = byBoth()
    const given = by(rsa, { exp: start / 1000 + 100_000 })
    expect(await keys.verify(given)).toMatchObject({ sub: 'ada' })
    jwks.serve(ec.jwk)
    pass(10 * 60)
    // Its use sets off the refresh.
    await keys.verify(given)
    await vi.waitFor(() => expectRefused(keys, given, /key is unknown/))
  })
})

describe('scope', () => {
  const scopes: [unknown, boolean][] = [
    ['service', true],
    ['openid service', true],
    ['service profile email', true],
    ['a  service', true],
    [undefined, false],
    ['', false],
    ['services', false],
    ['self-service', false],
    ['service:read', false],
    ['Service', false],
    ['a,service', false],
    ['a\tservice', false],
    [['service'], false],
    [{ service: true }, false],
    [true, false],
    [null, false],
  ]
  for (const [scope, isService] of scopes)
    it(`${JSON.stringify(scope) ?? 'missing'} is ${isService ? 'a' : 'no'} service`, async () => {
      expect(await bySecret().verify(now({ scope }))).toMatchObject({ isService })
    })
})

describe('profile claims', () => {
  const limits = { name: 255, username: 255, email: 320, role: 255 } as const
  const unusable = [null, 1, true, {}, ['x'], '', ' \t\n', 'a\0b', 'a\ud83d', '\udc00', '　']

  for (const [claim, max] of Object.entries(limits) as [keyof typeof limits, number][]) {
    it(`${claim} is kept as it is, up to ${max} characters`, async () => {
      for (const kept of ['x', ' Ada ', 'Zoë 😀', '<b>', 'a\nb', 'x'.repeat(max), '😀'.repeat(max)]) {
        expect((await bySecret().verify(now({ [claim]: kept })))[claim]).toBe(kept)
      }
    })
    it(`${claim} is ignored when it can't be used`, async () => {
      for (const bad of [...unusable, 'x'.repeat(max + 1), '😀'.repeat(max + 1)]) {
        const read = await bySecret().verify(now({ [claim]: bad }))
        expect(read[claim]).toBeUndefined()
        expect(read.sub).toBe('ada')
      }
    })
  }

  it('picture is kept when it is an http(s) URL of up to 2,048 characters', async () => {
    const longest = `https://example.org/${'x'.repeat(2048 - 20)}`
    for (const kept of ['http://example.org', 'HTTPS://EXAMPLE.ORG/a.png?b=c#d', 'https://bücher.example/ü', longest]) {
      expect((await bySecret().verify(now({ picture: kept }))).picture).toBe(kept)
    }
  })

  it('picture is ignored when it is anything else', async () => {
    const others = [
      ...['javascript:alert(1)', 'java\nscript:alert(1)', 'data:image/png;base64,AAAA', 'file:///etc/passwd'],
      ...[
        '//example.org/a.png',
        '/a.png',
        'a.png',
        'https://',
        'https:example.org',
        'http://[::1',
        'ftp://example.org',
      ],
      ...[' https://example.org', 'https://example.org/a b', 'https://example.org/\r\nx: y', 'https://exa\tmple.org'],
      `https://example.org/${'x'.repeat(2048 - 19)}`,
    ]
    for (const bad of [...unusable, ...others]) {
      const read = await bySecret().verify(now({ picture: bad }))
      expect(read.picture).toBeUndefined()
      expect(read.sub).toBe('ada')
    }
  })

  it('does not take claims from __proto__', async () => {
    const payload = '{"sub":"ada","exp":9e9,"__proto__":{"name":"Eve","role":"admin","scope":"service"}}'
    const read = await bySecret().verify(signed({ alg: 'HS256' }, payload))
    expect(read).toMatchObject({ sub: 'ada', isService: false })
    expect(read.name).toBeUndefined()
    expect(read.role).toBeUndefined()
  })
})

describe('bearerToken', () => {
  for (const header of ['Bearer a.b-c_d.e', 'bearer a.b-c_d.e', 'BEARER   a.b-c_d.e'])
    it(`reads ${JSON.stringify(header)}`, () => expect(bearerToken(header)).toBe('a.b-c_d.e'))

  it('keeps base64 padding', () => expect(bearerToken('Bearer a+/~==')).toBe('a+/~=='))

  for (const header of ['', null, undefined])
    it(`says that there is none in ${JSON.stringify(header) ?? 'undefined'}`, () => {
      expect(() => bearerToken(header)).toThrow(UnauthenticatedError)
      expect(() => bearerToken(header)).toThrow(/^No token/)
    })

  const malformed = [
    ...[
      'Bearer',
      'Bearer ',
      'a.b.c',
      'Bearera.b.c',
      ' Bearer a.b.c',
      'Bearer a.b.c ',
      'Bearer a.b.c\n',
      'Bearer\ta.b.c',
    ],
    ...[
      'Basic YTpi',
      'Bearer a b',
      'Bearer a, Bearer b',
      'Bearer "a"',
      'Bearer a=b',
      'Bearer é',
      'Bearer =',
      'Bearer a\0',
    ],
  ]
  for (const header of malformed)
    it(`refuses ${JSON.stringify(header)}`, () => {
      expect(() => bearerToken(header)).toThrow(UnauthenticatedError)
      expect(() => bearerToken(header)).toThrow(/^The authorization must be Bearer <token>$/)
    })
})
