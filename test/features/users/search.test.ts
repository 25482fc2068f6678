import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  DeactivateUserDocument,
  ReactivateUserDocument,
  SearchUsersDocument,
  type UpsertUserInput,
  UpsertUsersDocument,
  ViewerDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { GARBAGE, refusalIn, type Scene, startScene } from '../support.ts'

let scene: Scene
let viewer: TestClient

beforeAll(async () => {
  scene = await startScene()
  viewer = scene.as('zz', { name: 'Zz' })
  await upsert(
    { externalId: 'u1', displayName: 'Ada Lovelace', username: 'countess', email: 'Ada@Example.com', role: 'analyst' },
    { externalId: 'u2', displayName: 'Adam Smith', username: 'wealth_of_nations', role: 'economist' },
    { externalId: 'u3', displayName: 'Jean-Paul Sartre', username: 'ada.fan', role: 'analyst' },
    { externalId: 'u4', displayName: 'José Ángel Müller', username: 'jam' },
    { externalId: 'u5', displayName: '王小明', username: 'wang' },
    { externalId: 'u6', displayName: 'Ольга Иванова', username: 'olga' },
    { externalId: 'u7', displayName: 'محمد علي', username: 'moh' },
    { externalId: 'u8', displayName: 'अदिति शर्मा', username: 'aditi' },
    { externalId: 'u9', displayName: 'Rose❤️Marie 🦊', username: 'rm' },
    { externalId: 'u10', displayName: '100% sure', username: String.raw`back\slash` },
    { externalId: 'u11', displayName: 'ΑΘΗΝΑ', username: 'athena' },
    { externalId: 'u12', displayName: 'Twin One', username: 'twin1', email: 'twin@example.com' },
    { externalId: 'u13', displayName: 'Twin Two', username: 'twin2', email: 'twin@example.com' },
  )
})
afterAll(() => scene.close())

const upsert = (...users: UpsertUserInput[]) => scene.asService().run(UpsertUsersDocument, { input: { users } })

async function found(search: string, more: { role?: string } = {}, client = viewer): Promise<string[]> {
  const { users } = await client.run(SearchUsersDocument, { search, ...more })
  return users!.edges.map(({ node }) => node.externalId).sort()
}

test.each([
  ['the beginning of a first name', 'ada', ['u1', 'u2', 'u3']],
  ['the beginning of a last name', 'love', ['u1']],
  ['the beginning of a username', 'count', ['u1']],
  ['the beginning of a word inside a username', 'nations', ['u2']],
  ['part of a hyphenated name', 'paul', ['u3']],
  ['any case', 'LOVELACE', ['u1']],
  ['blanks around', '  lovelace \n', ['u1']],
  ['several words, which must all fit', 'ada love', ['u1']],
  ['several words in another order', 'smi ada', ['u2']],
  ['several words of name and username', 'fan jean', ['u3']],
  ['several words of which one fits nothing', 'ada x', []],
  ['the same word twice', 'adam adam', ['u2']],
  ['a letter with an accent', 'josé', ['u4']],
  ['the same with the accent as a character of its own', 'jose\u0301', ['u4']],
  ['the beginning before an accent', 'jos', ['u4']],
  ['accents in upper case', 'ÁNGEL MÜLL', ['u4']],
  ['Chinese', '王', ['u5']],
  ['Cyrillic', 'иван', ['u6']],
  ['Arabic', 'علي', ['u7']],
  ['Devanagari', 'शर्', ['u8']],
  ['Greek in another case', 'αθη', ['u11']],
  ['wide letters as the narrow ones', 'Ａｄａｍ', ['u2']],
  ['a word behind an emoji', 'marie', ['u9']],
  ['an emoji, which is no word', '🦊', []],
  ['an emoji with a variation selector', '❤️', []],
  ['an emoji beside a word', 'rose 🦊', ['u9']],
  ['digits', '100', ['u10']],
  ['the middle of a word', 'dam', []],
  ['more than the word', 'adamant', []],
])('by %s', async (_what, search, expected) => {
  expect(await found(search)).toEqual([...expected].sort())
})

test('punctuation alone finds nobody, whatever it means elsewhere', async () => {
  for (const search of ['%', '_', '\\', '\\%', '%%', '*', '.*', '^', '$', '()', '?', '-', "'", '"', ';--', '(+)+$']) {
    expect(await found(search)).toEqual([])
  }
})

test('patterns are words between punctuation', async () => {
  expect(await found('(ada+)+$')).toEqual(['u1', 'u2', 'u3'])
  expect(await found('ad_m')).toEqual([])
  expect(await found('a%m')).toEqual([])
  expect(await found('100%')).toEqual(['u10'])
  expect(await found(String.raw`back\slash`)).toEqual(['u10'])
  expect(await found("x' OR '1'='1")).toEqual([])
})

describe('an e-mail address', () => {
  test('finds its user as a whole, in any case', async () => {
    expect(await found('ada@example.com')).toEqual(['u1'])
    expect(await found(' ADA@EXAMPLE.COM ')).toEqual(['u1'])
  })

  test('finds nobody by a part of it', async () => {
    for (const part of ['ada@', '@example.com', 'ada@example', 'ada@example.co', 'da@example.com', '%@example.com']) {
      expect(await found(part)).toEqual([])
    }
    expect(await found('example')).toEqual([])
  })

  test('is shown to nobody', async () => {
    const { users } = await viewer.run(SearchUsersDocument, { search: 'ada@example.com' })
    expect(JSON.stringify(users).toLowerCase()).not.toContain('example')
    expect(Buffer.from(users!.edges[0]!.cursor.split('.').at(-1)!, 'base64url').toString()).not.toContain('example')
  })

  test('of several users gives a page after the other', async () => {
    const first = await viewer.run(SearchUsersDocument, { search: 'twin@example.com', first: 1 })
    expect(first.users!.pageInfo.hasNextPage).toBe(true)
    const after = first.users!.pageInfo.endCursor
    const second = await viewer.run(SearchUsersDocument, { search: 'twin@example.com', first: 1, after })
    expect(second.users!.pageInfo.hasNextPage).toBe(false)
    const both = [first, second].map(({ users }) => users!.edges.map(({ node }) => node.externalId))
    expect(both.flat().sort()).toEqual(['u12', 'u13'])
  })
})

test('a role leaves all others out', async () => {
  expect(await found('ada', { role: 'analyst' })).toEqual(['u1', 'u3'])
  expect(await found('ada', { role: 'Analyst' })).toEqual([])
  expect(await found('ada@example.com', { role: 'analyst' })).toEqual(['u1'])
  expect(await found('ada@example.com', { role: 'economist' })).toEqual([])
})

test('a service finds the same', async () => {
  expect(await found('ada', {}, scene.asService())).toEqual(['u1', 'u2', 'u3'])
})

test('whoever was deactivated is not found until let in again', async () => {
  await upsert({ externalId: 'gone', displayName: 'Gone Girl', email: 'gone@example.com' })
  const input = { externalId: 'gone' }
  await scene.asService().run(DeactivateUserDocument, { input })
  expect([await found('gone'), await found('gone@example.com')]).toEqual([[], []])
  await scene.asService().run(ReactivateUserDocument, { input })
  expect([await found('gone'), await found('gone@example.com')]).toEqual([['gone'], ['gone']])
})

describe('a new profile', () => {
  test('of the host is what is found from then on', async () => {
    await upsert({ externalId: 'new', displayName: 'Maiden Name', username: 'keeps' })
    await upsert({ externalId: 'new', displayName: 'Married Name' })
    expect([await found('maiden'), await found('married'), await found('keeps')]).toEqual([[], ['new'], ['new']])
    await upsert({ externalId: 'new', username: null })
    expect([await found('keeps'), await found('new')]).toEqual([[], ['new']])
  })

  test('of a token too', async () => {
    await scene.as('tok', { name: 'Before' }).run(ViewerDocument)
    expect(await found('before')).toEqual(['tok'])
    await scene.as('tok', { name: 'After', username: 'handle' }).run(ViewerDocument)
    expect([await found('before'), await found('after'), await found('handle')]).toEqual([[], ['tok'], ['tok']])
  })
})

describe('pages', () => {
  const total = 120

  beforeAll(async () => {
    // Each is found by two words, many by the same.
    await upsert(
      ...Array.from({ length: total }, (_, number) => ({
        externalId: `page ${number}`,
        displayName: `Quill${number % 7} Quilt${number % 3}`,
        username: `quim ${number}`,
      })),
    )
  })

  test.each([1, 7, 50])('of %i have everybody once', async (first) => {
    const walked: string[] = []
    let after: string | null | undefined
    do {
      const { users } = await viewer.run(SearchUsersDocument, { search: 'qui', first, after })
      expect(users!.pageInfo.hasPreviousPage).toBe(after !== undefined)
      walked.push(...users!.edges.map(({ node }) => node.externalId))
      after = users!.pageInfo.hasNextPage ? users!.pageInfo.endCursor : null
      if (after) expect(users!.edges).toHaveLength(first)
    } while (after)
    expect(new Set(walked).size).toBe(walked.length)
    expect(walked).toHaveLength(total)
  })

  test('have 50 unless less is asked for', async () => {
    const { users } = await viewer.run(SearchUsersDocument, { search: 'qui' })
    expect(users!.edges).toHaveLength(50)
  })

  test('go on behind the cursor even where its user is gone', async () => {
    const before = await viewer.run(SearchUsersDocument, { search: 'quilt1', first: 10 })
    const last = before.users!.edges.at(-1)!
    const rest = () => viewer.run(SearchUsersDocument, { search: 'quilt1', first: 10, after: last.cursor })
    const expected = (await rest()).users!.edges.map(({ node }) => node.externalId)
    await scene.asService().run(DeactivateUserDocument, { input: { externalId: last.node.externalId } })
    expect((await rest()).users!.edges.map(({ node }) => node.externalId)).toEqual(expected)
    await scene.asService().run(ReactivateUserDocument, { input: { externalId: last.node.externalId } })
  })
})

describe('is refused', () => {
  const refusal = async (variables: Parameters<typeof search>[0]) => refusalIn(await search(variables))
  const search = (variables: { search: string; role?: string; first?: number; after?: string }) =>
    viewer.execute(SearchUsersDocument, variables)

  test('for nothing, for more than 100 characters, and for more than 5 words', async () => {
    for (const text of ['', '  ', 'a'.repeat(101), '1 2 3 4 5 6', 'a\0b', '\ud800']) {
      expect(await refusal({ search: text })).toEqual({ code: 'BAD_USER_INPUT', field: 'search' })
    }
    expect(await found('🦊'.repeat(100))).toEqual([])
    expect(await found('a'.repeat(100))).toEqual([])
    expect(await found('1 2 3 4 5')).toEqual([])
  })

  test('for a page of none or more than 50', async () => {
    for (const first of [0, -1, 51, 100]) {
      expect(await refusal({ search: 'ada', first })).toEqual({ code: 'BAD_USER_INPUT', field: 'first' })
    }
  })

  test('for what is no cursor of it', async () => {
    const { users } = await viewer.run(SearchUsersDocument, { search: 'ada' })
    const [letter, userId] = users!.edges[0]!.cursor.split('.')
    const word = (bytes: string) => `${letter}.${userId}.${Buffer.from(bytes, 'latin1').toString('base64url')}`
    for (const after of [...GARBAGE, word('\0'), word('a\0'), word('\xff\xfe')]) {
      expect(await refusal({ search: 'ada', after })).toEqual({ code: 'BAD_USER_INPUT', field: 'after' })
    }
  })

  test('for a role that can be nobody’s', async () => {
    for (const role of ['a\0', '\udfff']) {
      expect(await refusal({ search: 'ada', role })).toEqual({ code: 'BAD_USER_INPUT', field: 'role' })
    }
  })
})
