import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type UpsertUserInput, UpsertUsersDocument, ViewerDocument } from '../../generated/graphql.ts'
import { expectRefused, type Scene, startScene, usersOf } from '../support.ts'

let scene: Scene

beforeAll(async () => {
  scene = await startScene()
})
afterAll(() => scene.close())

const execute = (...users: UpsertUserInput[]) => scene.asService().execute(UpsertUsersDocument, { input: { users } })

async function upsert(...users: UpsertUserInput[]) {
  const { upsertUsers } = await scene.asService().run(UpsertUsersDocument, { input: { users } })
  return upsertUsers!.users
}

async function emailOf(externalId: string) {
  const [row] = await scene.sql('SELECT email FROM users WHERE external_id = $1', [externalId])
  return row!.email
}

describe('a new user', () => {
  test('gets all that is given', async () => {
    const given = {
      externalId: 'full',
      username: 'ada',
      displayName: 'Ada Lovelace',
      avatarUrl: 'https://app.example/ada.png',
      role: 'engineer',
      type: 'AGENT',
    } as const
    expect(await upsert({ ...given, email: 'ada@app.example' })).toEqual([{ id: expect.any(String), ...given }])
    expect(await emailOf('full')).toBe('ada@app.example')
  })

  test('of whom only the externalId is given goes by that', async () => {
    expect(await upsert({ externalId: 'bare' })).toEqual([
      {
        id: expect.any(String),
        externalId: 'bare',
        username: 'bare',
        displayName: 'bare',
        avatarUrl: null,
        role: null,
        type: 'HUMAN',
      },
    ])
  })

  test('with a username alone shows that', async () => {
    expect(await upsert({ externalId: 'u1', username: 'nam' })).toMatchObject([{ username: 'nam', displayName: 'nam' }])
  })

  test('is the one that a token finds later', async () => {
    const [user] = await upsert({ externalId: 'later', displayName: 'Later' })
    expect(await scene.as('later').run(ViewerDocument)).toEqual({ viewer: user })
  })
})

describe('a known user', () => {
  const all = {
    externalId: 'known',
    username: 'user',
    displayName: 'Name',
    email: 'known@app.example',
    avatarUrl: 'https://app.example/known.png',
    role: 'role',
    type: 'AGENT',
  } as const
  const { email: _, ...shown } = all

  test('keeps what is left out', async () => {
    await upsert(all)
    expect(await upsert({ externalId: 'known' })).toMatchObject([shown])
    expect(await emailOf('known')).toBe(all.email)
    expect(await upsert({ externalId: 'known', role: 'other' })).toMatchObject([{ ...shown, role: 'other' }])
    expect(await emailOf('known')).toBe(all.email)
  })

  test('keeps a name that is left out, even where it is the externalId', async () => {
    await upsert({ externalId: 'plain' })
    expect(await upsert({ externalId: 'plain', username: 'new' })).toMatchObject([
      { username: 'new', displayName: 'plain' },
    ])
  })

  test('loses what is null', async () => {
    await upsert(all)
    await upsert({ externalId: 'known', avatarUrl: null, email: null, role: null, type: null })
    expect(await upsert({ externalId: 'known' })).toMatchObject([
      { username: 'user', displayName: 'Name', avatarUrl: null, role: null, type: 'HUMAN' },
    ])
    expect(await emailOf('known')).toBeNull()
  })

  test('whose displayName is cleared shows the username', async () => {
    await upsert(all)
    expect(await upsert({ externalId: 'known', displayName: null })).toMatchObject([
      { username: 'user', displayName: 'user' },
    ])
    expect(await upsert({ externalId: 'known', displayName: null, username: 'new' })).toMatchObject([
      { username: 'new', displayName: 'new' },
    ])
  })

  test('whose username is cleared goes by the externalId', async () => {
    await upsert(all)
    expect(await upsert({ externalId: 'known', username: null })).toMatchObject([
      { username: 'known', displayName: 'Name' },
    ])
    expect(await upsert({ externalId: 'known', username: null, displayName: null })).toMatchObject([
      { username: 'known', displayName: 'known' },
    ])
  })

  test('keeps its id', async () => {
    const [before] = await upsert(all)
    const [after] = await upsert({ ...all, username: 'other' })
    expect(after!.id).toBe(before!.id)
  })
})

describe('tokens and upserts', () => {
  test('what the host says stands against what an older token says, and not against a newer one', async () => {
    let now = 1_800_000_000_000
    const clocked = await startScene({ overrides: { clock: { now: () => now } } })
    try {
      const older = clocked.as('ada', { name: 'Older' })
      now += 60_000
      const service = clocked.asService()
      await service.run(UpsertUsersDocument, { input: { users: [{ externalId: 'ada', displayName: 'Host' }] } })
      expect(await older.run(ViewerDocument)).toMatchObject({ viewer: { displayName: 'Host' } })
      now += 60_000
      expect(await clocked.as('ada', { name: 'Newer' }).run(ViewerDocument)).toMatchObject({
        viewer: { displayName: 'Newer' },
      })
    } finally {
      await clocked.close()
    }
  })
})

describe('many', () => {
  test('1,000 at once are given back in the order of the input', async () => {
    const users = Array.from({ length: 1000 }, (_, index) => ({
      externalId: `many-${(index * 7) % 1000}`,
      username: `user ${index}`,
    }))
    const stored = await upsert(...users)
    expect(stored.map(({ externalId, username }) => ({ externalId, username }))).toEqual(users)
    const again = await upsert(...users.toReversed())
    expect(again.toReversed()).toEqual(stored)
  })

  test('calls at once with the same users in any order neither deadlock nor double any', async () => {
    for (let round = 0; round < 5; round++) {
      const names = Array.from({ length: 300 }, (_, index) => `crowd-${round}-${index}`)
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, call) => {
          const order = [...names.slice(call * 30), ...names.slice(0, call * 30)]
          const users = (call % 2 ? order : order.toReversed()).map((externalId) => ({
            externalId,
            role: `call ${call}`,
          }))
          return execute(...users)
        }),
      )
      expect(answers.flatMap(({ errors }) => errors ?? [])).toEqual([])
      const stored = await scene.sql(`SELECT role FROM users WHERE external_id LIKE 'crowd-${round}-%'`)
      expect(stored).toHaveLength(300)
      // All or none, one call after the other: the last one's role is on every user.
      expect(new Set(stored.map(({ role }) => role)).size).toBe(1)
    }
  })

  test('first tokens and upserts of the same users at once make one user each', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `both-${index}`)
    await Promise.all([
      upsert(...names.map((externalId) => ({ externalId, role: 'host' }))),
      ...names.map((name) => scene.as(name).run(ViewerDocument)),
    ])
    expect(await scene.sql(`SELECT FROM users WHERE external_id LIKE 'both-%' AND role = 'host'`)).toHaveLength(20)
  })
})

describe('what is kept exactly', () => {
  test.each([
    ['astral characters', '😀'.repeat(255)],
    ['a right-to-left override', 'ab\u202Ecd'],
    ['markup and quotes', `<b onclick="x('y')">\\ $1 %s ';--`],
    ['what looks like an escape', '\\u0000'],
    ['surrounding blanks', '  x  '],
  ])('%s', async (_, text) => {
    const given = { externalId: text, username: text, displayName: text, role: text }
    expect(await upsert(given)).toMatchObject([given])
  })
})

describe('nobody but a service may', () => {
  const refusal = { code: 'FORBIDDEN' }
  const input = { users: [{ externalId: 'forbidden' }] }

  test('not a user, for itself neither', async () => {
    const [ada] = await usersOf(scene, 'ada')
    await expectRefused(scene, () => ada.execute(UpsertUsersDocument, { input }), refusal)
    await expectRefused(
      scene,
      () => ada.execute(UpsertUsersDocument, { input: { users: [{ externalId: 'ada', role: 'admin' }] } }),
      refusal,
    )
  })

  test("not a service that acts for a user: it has that user's rights", async () => {
    await usersOf(scene, 'ada')
    await expectRefused(scene, () => scene.asService('ada').execute(UpsertUsersDocument, { input }), refusal)
  })
})

describe('bad input', () => {
  const bad = (field: string) => ({ code: 'BAD_USER_INPUT', field })

  test.each<[string, UpsertUserInput[], string]>([
    ['an empty list', [], 'users'],
    ['1,001 users', Array.from({ length: 1001 }, (_, index) => ({ externalId: `over-${index}` })), 'users'],
    ['an externalId twice', [{ externalId: 'twice' }, { externalId: 'other' }, { externalId: 'twice' }], 'users'],
    ['an empty externalId', [{ externalId: '' }], 'users.externalId'],
    ['a blank externalId', [{ externalId: ' \t' }], 'users.externalId'],
    ['an externalId of 256 characters', [{ externalId: 'x'.repeat(256) }], 'users.externalId'],
    ['an externalId with a NUL', [{ externalId: 'a\0b' }], 'users.externalId'],
    ['an externalId with half of a surrogate pair', [{ externalId: 'a\udc00' }], 'users.externalId'],
    ['a blank username', [{ externalId: 'bad', username: ' ' }], 'users.username'],
    ['a username of 256 characters', [{ externalId: 'bad', username: 'x'.repeat(256) }], 'users.username'],
    ['a username with a NUL', [{ externalId: 'bad', username: '\0' }], 'users.username'],
    ['a blank displayName', [{ externalId: 'bad', displayName: '' }], 'users.displayName'],
    ['a displayName of 256 characters', [{ externalId: 'bad', displayName: 'x'.repeat(256) }], 'users.displayName'],
    ['an email of 321 characters', [{ externalId: 'bad', email: 'x'.repeat(321) }], 'users.email'],
    ['a role of 256 characters', [{ externalId: 'bad', role: 'x'.repeat(256) }], 'users.role'],
    ['a role with half of a surrogate pair', [{ externalId: 'bad', role: '\ud83d' }], 'users.role'],
    ['an avatarUrl that runs script', [{ externalId: 'bad', avatarUrl: 'javascript:alert(1)' }], 'users.avatarUrl'],
    ['an avatarUrl without a host', [{ externalId: 'bad', avatarUrl: 'https://' }], 'users.avatarUrl'],
    ['an avatarUrl that is none', [{ externalId: 'bad', avatarUrl: 'ada.png' }], 'users.avatarUrl'],
    ['an avatarUrl with a blank', [{ externalId: 'bad', avatarUrl: 'https://a.example/ b' }], 'users.avatarUrl'],
    [
      'an avatarUrl of 2,049 characters',
      [{ externalId: 'bad', avatarUrl: `https://a.example/${'x'.repeat(2031)}` }],
      'users.avatarUrl',
    ],
  ])('%s', async (_, users, field) => {
    await expectRefused(scene, () => execute(...users), bad(field))
  })

  test('one bad user among good ones: none is stored', async () => {
    await expectRefused(
      scene,
      () => execute({ externalId: 'good' }, { externalId: 'bad', role: '' }),
      bad('users.role'),
    )
  })

  test('a type that there is not', async () => {
    const users = [{ externalId: 'bad', type: 'ROBOT' as 'AGENT' }]
    await expectRefused(scene, () => execute(...users), bad('users[0].type'))
  })
})
