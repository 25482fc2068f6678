import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ViewerDocument } from '../../generated/graphql.ts'
import { SECRET } from '../../support/app.ts'
import { claims, rawToken, signHs256 } from '../../support/tokens.ts'
import { type Row, type Scene, startScene } from '../support.ts'

let scene: Scene
/** The server's time in seconds since the epoch, so that tokens can be older and newer than others. */
const now = 1_800_000_000

beforeAll(async () => {
  scene = await startScene({ overrides: { clock: { now: () => now * 1000 } } })
})
afterAll(() => scene.close())

/** Asks for the viewer with a token that has just these claims beside exp. */
async function viewerOf(payload: Row) {
  const token = rawToken({ alg: 'HS256' }, claims({ iat: undefined, ...payload }, now * 1000), signHs256(SECRET))
  const response = await fetch(`${scene.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: '{ viewer { username displayName avatarUrl role type } }' }),
  })
  const { data } = (await response.json()) as { data: { viewer: Row } }
  return data.viewer
}

async function rowOf(externalId: string): Promise<Row | undefined> {
  const [row] = await scene.sql('SELECT * FROM users WHERE external_id = $1', [externalId])
  return row
}

describe('the first token', () => {
  test('makes the user, as its claims have it', async () => {
    const viewer = await viewerOf({
      sub: 'full',
      iat: now,
      name: 'Ada Lovelace',
      username: 'ada',
      picture: 'https://app.example/ada.png',
      email: 'ada@app.example',
      role: 'engineer',
    })
    expect(viewer).toEqual({
      username: 'ada',
      displayName: 'Ada Lovelace',
      avatarUrl: 'https://app.example/ada.png',
      role: 'engineer',
      type: 'HUMAN',
    })
    expect(await rowOf('full')).toMatchObject({ email: 'ada@app.example', profile_issued_at: new Date(now * 1000) })
  })

  test('without a profile goes by the externalId', async () => {
    expect(await viewerOf({ sub: 'bare', iat: now })).toEqual({
      username: 'bare',
      displayName: 'bare',
      avatarUrl: null,
      role: null,
      type: 'HUMAN',
    })
  })

  test('with a username alone shows that', async () => {
    expect(await viewerOf({ sub: 'named', username: 'nam' })).toMatchObject({ username: 'nam', displayName: 'nam' })
  })

  test('makes one user, however many requests come with it at once', async () => {
    const viewers = await Promise.all(Array.from({ length: 20 }, () => scene.as('crowd').run(ViewerDocument)))
    expect(new Set(viewers.map(({ viewer }) => viewer?.id)).size).toBe(1)
    expect(await scene.sql(`SELECT FROM users WHERE external_id = 'crowd'`)).toHaveLength(1)
  })
})

describe('a later token', () => {
  test('writes what it says otherwise, and leaves what it leaves out', async () => {
    await viewerOf({
      sub: 'later',
      iat: now,
      name: 'Old',
      username: 'old',
      picture: 'https://app.example/1',
      role: 'r',
    })
    const viewer = await viewerOf({ sub: 'later', iat: now + 1, name: 'New' })
    expect(viewer).toMatchObject({ displayName: 'New', username: 'old', avatarUrl: 'https://app.example/1', role: 'r' })
  })

  test('writes nothing where it says the same', async () => {
    await viewerOf({ sub: 'same', iat: now, name: 'Same' })
    const before = await scene.sql(`SELECT xmin, * FROM users WHERE external_id = 'same'`)
    await viewerOf({ sub: 'same', iat: now + 10, name: 'Same' })
    expect(await scene.sql(`SELECT xmin, * FROM users WHERE external_id = 'same'`)).toEqual(before)
  })

  test('of the same second writes', async () => {
    await viewerOf({ sub: 'second', iat: now, name: 'One' })
    expect(await viewerOf({ sub: 'second', iat: now, name: 'Two' })).toMatchObject({ displayName: 'Two' })
  })

  test('with an older iat never overwrites', async () => {
    await viewerOf({ sub: 'old', iat: now, name: 'Now' })
    const before = await rowOf('old')
    expect(await viewerOf({ sub: 'old', iat: now - 1, name: 'Before' })).toMatchObject({ displayName: 'Now' })
    expect(await rowOf('old')).toEqual(before)
  })

  test('without an iat never overwrites one that had one, but may overwrite one that had none', async () => {
    await viewerOf({ sub: 'timeless', name: 'One' })
    expect(await viewerOf({ sub: 'timeless', name: 'Two' })).toMatchObject({ displayName: 'Two' })
    await viewerOf({ sub: 'timeless', iat: now, name: 'Three' })
    expect(await viewerOf({ sub: 'timeless', name: 'Four' })).toMatchObject({ displayName: 'Three' })
  })

  test('the newest of many at once is what stays', async () => {
    await viewerOf({ sub: 'race', iat: now - 100, name: 'start' })
    const issued = Array.from({ length: 20 }, (_, index) => now - 50 + ((index * 7) % 20))
    await Promise.all(issued.map((iat) => viewerOf({ sub: 'race', iat, name: `at ${iat}` })))
    expect(await rowOf('race')).toMatchObject({ display_name: `at ${now - 31}` })
  })
})

describe('to a service', () => {
  test('it is null, and its sub creates nobody', async () => {
    const users = await scene.sql('SELECT * FROM users')
    expect(await scene.asService().run(ViewerDocument)).toEqual({ viewer: null })
    expect(await scene.sql('SELECT * FROM users')).toEqual(users)
  })

  test("that acts for a user it is that user, and the service's token says nothing of it", async () => {
    await viewerOf({ sub: 'principal', iat: now - 1, name: 'Principal' })
    const before = await rowOf('principal')
    const { viewer } = await scene.asService('principal').run(ViewerDocument)
    expect(viewer).toMatchObject({ externalId: 'principal', displayName: 'Principal' })
    expect(await rowOf('principal')).toEqual(before)
    expect(await rowOf('host')).toBeUndefined()
  })
})
