import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  ContactsDocument,
  type ContactsQuery,
  DeactivateUserDocument,
  RemoveContactDocument,
  RequestContactDocument,
  type RequestContactInput,
  RespondToContactDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { insertUsers, userId } from '../conversations/support.ts'
import { GARBAGE, missingConversation, type Row, refusalIn, type Scene } from '../support.ts'
import { ask, block, contactNode, contactsOf, remove, respond, startUnlimited, unblock } from './support.ts'

let scene: Scene
let count = 0
/** Two who have nothing to do with each other yet, and somebody else. */
let ada: TestClient
let bo: TestClient
let cy: TestClient
let names: { ada: string; bo: string; cy: string }

beforeAll(async () => {
  scene = await startUnlimited()
})
afterAll(() => scene.close())
beforeEach(async () => {
  count++
  names = { ada: `ada ${count}`, bo: `bo ${count}`, cy: `cy ${count}` }
  await insertUsers(scene, Object.values(names))
  ;[ada, bo, cy] = [scene.as(names.ada), scene.as(names.bo), scene.as(names.cy)]
})

const rows = (): Promise<Row[]> => scene.sql('SELECT * FROM contacts ORDER BY id')

/** That a request is refused for this reason alone, and no contact has changed. */
async function expectRefused(request: () => ReturnType<TestClient['execute']>, code: string, field?: string) {
  const before = await rows()
  expect(refusalIn(await request())).toEqual({ code, ...(field && { field }) })
  expect(await rows()).toEqual(before)
}

const asked = { status: 'PENDING', respondedAt: null }

describe('a request', () => {
  test('waits for an answer, seen by both', async () => {
    const contact = await ask(ada, names.bo)
    expect(contact).toEqual({
      id: expect.any(String),
      requester: { externalId: names.ada },
      addressee: { externalId: names.bo },
      createdAt: expect.stringMatching(/Z$/),
      ...asked,
    })
    for (const client of [ada, bo]) {
      expect(await contactsOf(client)).toEqual([contact])
      expect(await contactNode(client, contact.id)).toEqual(contact)
    }
  })

  test('names the user by id as well', async () => {
    const input = { userId: await userId(scene, names.bo) }
    const { requestContact } = await ada.run(RequestContactDocument, { input })
    expect(requestContact!.contact.addressee.externalId).toBe(names.bo)
  })

  test('made again is the first one', async () => {
    const first = await ask(ada, names.bo)
    expect(await ask(ada, names.bo)).toEqual(first)
    await respond(bo, first.id, true)
    expect(await ask(ada, names.bo)).toMatchObject({ id: first.id, status: 'ACCEPTED' })
  })

  test('that meets one of the other is accepted', async () => {
    const first = await ask(ada, names.bo)
    const crossing = await ask(bo, names.ada)
    expect(crossing).toEqual({ ...first, status: 'ACCEPTED', respondedAt: expect.any(String) })
    expect(await contactsOf(ada)).toEqual([crossing])
  })

  test('by both at once, 8 times each, is one accepted contact', async () => {
    const contacts = await Promise.all(
      Array.from({ length: 16 }, (_, number) => (number % 2 ? ask(ada, names.bo) : ask(bo, names.ada))),
    )
    expect(new Set(contacts.map(({ id }) => id)).size).toBe(1)
    expect(await contactNode(ada, contacts[0]!.id)).toMatchObject({ status: 'ACCEPTED' })
  })

  test('is not seen by others, only by a service', async () => {
    const contact = await ask(ada, names.bo)
    expect(await contactNode(cy, contact.id)).toBeNull()
    expect(await contactsOf(cy)).toEqual([])
    expect(await contactNode(scene.asService(), contact.id)).toEqual(contact)
  })
})

describe('an answer', () => {
  test('accepts or declines, and made again changes nothing', async () => {
    const toBo = await ask(ada, names.bo)
    const accepted = await respond(bo, toBo.id, true)
    expect(accepted).toEqual({ ...toBo, status: 'ACCEPTED', respondedAt: expect.any(String) })
    expect(await respond(bo, toBo.id, true)).toEqual(accepted)
    const toCy = await ask(ada, names.cy)
    const declined = await respond(cy, toCy.id, false)
    expect(declined).toEqual({ ...toCy, status: 'DECLINED', respondedAt: expect.any(String) })
    expect(await respond(cy, toCy.id, false)).toEqual(declined)
    expect(await contactsOf(ada)).toEqual([declined, accepted])
  })

  test('other than the first is CONFLICT', async () => {
    const { id } = await ask(ada, names.bo)
    await respond(bo, id, false)
    const answer = (contactId: string, accept: boolean) => () =>
      bo.execute(RespondToContactDocument, { input: { contactId, accept } })
    await expectRefused(answer(id, true), 'CONFLICT', 'contactId')
    const { id: other } = await ask(cy, names.bo)
    await respond(bo, other, true)
    await expectRefused(answer(other, false), 'CONFLICT', 'contactId')
  })

  test('is for whom it was asked of alone', async () => {
    const { id: contactId } = await ask(ada, names.bo)
    const input = { contactId, accept: true }
    await expectRefused(() => ada.execute(RespondToContactDocument, { input }), 'FORBIDDEN')
    await expectRefused(() => cy.execute(RespondToContactDocument, { input }), 'NOT_FOUND', 'contactId')
    await expectRefused(() => scene.asService().execute(RespondToContactDocument, { input }), 'FORBIDDEN')
  })
})

describe('after a request was declined', () => {
  test('the same one again is given back as it is', async () => {
    const declined = await respond(bo, (await ask(ada, names.bo)).id, false)
    expect(await ask(ada, names.bo)).toEqual(declined)
    expect(await contactsOf(bo, { status: 'PENDING' })).toEqual([])
  })

  test('whoever declined may ask, and waits for an answer', async () => {
    const { id } = await respond(bo, (await ask(ada, names.bo)).id, false)
    const anew = await ask(bo, names.ada)
    expect(anew).toMatchObject({
      id,
      requester: { externalId: names.bo },
      addressee: { externalId: names.ada },
      ...asked,
    })
    expect(await respond(ada, id, true)).toMatchObject({ status: 'ACCEPTED' })
  })

  test('only whoever declined may take that back', async () => {
    const { id: contactId } = await respond(bo, (await ask(ada, names.bo)).id, false)
    await expectRefused(() => ada.execute(RemoveContactDocument, { input: { contactId } }), 'FORBIDDEN')
    expect(await remove(bo, contactId)).toBe(contactId)
    expect(await ask(ada, names.bo)).toMatchObject(asked)
  })
})

describe('removing', () => {
  test('withdraws a request of one’s own', async () => {
    const { id } = await ask(ada, names.bo)
    expect(await remove(ada, id)).toBe(id)
    expect(await contactsOf(bo)).toEqual([])
    expect(await contactNode(ada, id)).toBeNull()
  })

  test.each(['ada', 'bo'] as const)('ends an accepted contact, by %s', async (who) => {
    const { id } = await ask(ada, names.bo)
    await respond(bo, id, true)
    await remove(scene.as(names[who]), id)
    expect(await contactsOf(ada)).toEqual([])
    expect(await ask(ada, names.bo)).toMatchObject(asked)
  })

  test('is no answer, and not for others', async () => {
    const { id: contactId } = await ask(ada, names.bo)
    const input = { contactId }
    await expectRefused(() => bo.execute(RemoveContactDocument, { input }), 'FORBIDDEN')
    await expectRefused(() => cy.execute(RemoveContactDocument, { input }), 'NOT_FOUND', 'contactId')
    await expectRefused(() => scene.asService().execute(RemoveContactDocument, { input }), 'FORBIDDEN')
    await remove(ada, contactId)
    await expectRefused(() => ada.execute(RemoveContactDocument, { input }), 'NOT_FOUND', 'contactId')
  })
})

describe('a request is refused', () => {
  test.each<[string, () => RequestContactInput, string, string]>([
    ['to oneself', () => ({ externalId: names.ada }), 'BAD_USER_INPUT', 'externalId'],
    ['to an unknown user', () => ({ externalId: 'nobody' }), 'NOT_FOUND', 'externalId'],
    ['to an unknown id', () => ({ userId: encodeId('User', crypto.randomUUID()) }), 'NOT_FOUND', 'userId'],
    ['to an id of another type', () => ({ userId: missingConversation }), 'BAD_USER_INPUT', 'userId'],
    ['to nobody', () => ({}), 'BAD_USER_INPUT', 'userId'],
    ['to one named twice', () => ({ userId: missingConversation, externalId: 'x' }), 'BAD_USER_INPUT', 'userId'],
  ])('%s', async (_what, input, code, field) => {
    await expectRefused(() => ada.execute(RequestContactDocument, { input: input() }), code, field)
  })

  test('to a deactivated user, as a message is', async () => {
    await scene.asService().run(DeactivateUserDocument, { input: { externalId: names.bo } })
    const input = { externalId: names.bo }
    await expectRefused(() => ada.execute(RequestContactDocument, { input }), 'FORBIDDEN', 'externalId')
    const { errors } = await ada.execute(RequestContactDocument, { input })
    expect(errors![0]!.message).toBe('This user takes no messages.')
  })

  test('of a service that acts for nobody', async () => {
    const input = { externalId: names.bo }
    await expectRefused(() => scene.asService().execute(RequestContactDocument, { input }), 'FORBIDDEN')
    await expectRefused(() => scene.asService().execute(ContactsDocument), 'FORBIDDEN')
    const { requestContact } = await scene.asService(names.ada).run(RequestContactDocument, { input })
    expect(requestContact!.contact.requester.externalId).toBe(names.ada)
  })

  test.each(GARBAGE)('with %j for an id', async (garbage) => {
    for (const request of [
      () => ada.execute(RespondToContactDocument, { input: { contactId: garbage, accept: true } }),
      () => ada.execute(RemoveContactDocument, { input: { contactId: garbage } }),
    ]) {
      await expectRefused(request, 'BAD_USER_INPUT', 'contactId')
    }
    const unknown = { contactId: encodeId('Contact', crypto.randomUUID()), accept: true }
    await expectRefused(() => ada.execute(RespondToContactDocument, { input: unknown }), 'NOT_FOUND', 'contactId')
  })
})

describe('the list', () => {
  test('goes in pages from the newest on, of a status if asked for', async () => {
    const others = Array.from({ length: 5 }, (_, number) => `${names.ada} knows ${number}`)
    await insertUsers(scene, others)
    for (const [number, name] of others.entries()) {
      const { id } = number % 2 ? await ask(ada, name) : await ask(scene.as(name), names.ada)
      if (number === 4) await respond(ada, id, true)
    }
    const all = await contactsOf(ada)
    const otherOf = (contact: (typeof all)[number]) =>
      [contact.requester.externalId, contact.addressee.externalId].find((name) => name !== names.ada)
    expect(all.map(otherOf)).toEqual([...others].reverse())
    const paged: typeof all = []
    for (let after: string | null | undefined = null; after !== undefined; ) {
      const { contacts }: ContactsQuery = await ada.run(ContactsDocument, { first: 2, after })
      paged.push(...contacts!.edges.map(({ node }) => node))
      expect(contacts!.pageInfo.hasNextPage).toBe(paged.length < 5)
      after = contacts!.pageInfo.hasNextPage ? contacts!.pageInfo.endCursor! : undefined
    }
    expect(paged).toEqual(all)
    expect((await contactsOf(ada, { status: 'ACCEPTED' })).map(otherOf)).toEqual([others[4]])
    expect((await contactsOf(ada, { status: 'PENDING' })).map(otherOf)).toEqual(others.slice(0, 4).reverse())
    expect(await contactsOf(ada, { status: 'DECLINED' })).toEqual([])
  })

  test.each([
    [{ first: 0 }, 'first'],
    [{ first: 101 }, 'first'],
    [{ after: 'x' }, 'after'],
    [{ after: '' }, 'after'],
  ])('is refused with %j', async (variables, field) => {
    expect(refusalIn(await ada.execute(ContactsDocument, variables))).toEqual({ code: 'BAD_USER_INPUT', field })
  })
})

describe('to one who blocks the requester, a request', () => {
  /** What it answers, without what differs from one to the next. */
  async function answer(client: TestClient, externalId: string) {
    const { data, errors, ...rest } = await client.execute(RequestContactDocument, { input: { externalId } })
    const { id, createdAt, addressee, ...contact } = data!.requestContact!.contact
    return {
      id: typeof id,
      createdAt: typeof createdAt,
      addressee: addressee.externalId === externalId,
      contact,
      errors,
      rest,
    }
  }

  test('answers as one that is not answered, the first time and again', async () => {
    await block(bo, await userId(scene, names.ada))
    for (let time = 0; time < 2; time++) {
      expect(await answer(ada, names.bo)).toEqual(await answer(ada, names.cy))
    }
    const [toCy, toBo] = await contactsOf(ada)
    expect(toBo).toMatchObject({ addressee: { externalId: names.bo }, ...asked })
    expect(toCy).toMatchObject({ addressee: { externalId: names.cy }, ...asked })
    expect(await contactNode(ada, toBo!.id)).toEqual(toBo)
  })

  test('is never seen by the blocker, by no way, also once unblocked', async () => {
    const adaId = await userId(scene, names.ada)
    await block(bo, adaId)
    const { id: contactId } = await ask(ada, names.bo)
    const unseen = async () => {
      expect(await contactsOf(bo)).toEqual([])
      expect(await contactNode(bo, contactId)).toBeNull()
      const input = { contactId, accept: true }
      await expectRefused(() => bo.execute(RespondToContactDocument, { input }), 'NOT_FOUND', 'contactId')
      await expectRefused(() => bo.execute(RemoveContactDocument, { input: { contactId } }), 'NOT_FOUND', 'contactId')
    }
    await unseen()
    await unblock(bo, adaId)
    await unseen()
  })

  test('is shown when it is made again after the block', async () => {
    const adaId = await userId(scene, names.ada)
    await block(bo, adaId)
    const hidden = await ask(ada, names.bo)
    expect(await ask(ada, names.bo)).toEqual(hidden)
    expect(await contactsOf(bo)).toEqual([])
    await unblock(bo, adaId)
    expect(await ask(ada, names.bo)).toEqual(hidden)
    expect(await contactsOf(bo)).toEqual([hidden])
  })

  test('meets that of the former blocker', async () => {
    const adaId = await userId(scene, names.ada)
    await block(bo, adaId)
    const { id } = await ask(ada, names.bo)
    await unblock(bo, adaId)
    expect(await ask(bo, names.ada)).toMatchObject({ id, status: 'ACCEPTED' })
    expect(await contactsOf(bo)).toHaveLength(1)
  })

  test('is withdrawn as any other', async () => {
    await block(bo, await userId(scene, names.ada))
    const { id } = await ask(ada, names.bo)
    expect(await remove(ada, id)).toBe(id)
    expect(await contactsOf(ada)).toEqual([])
  })

  test('and what there was before goes on as it would', async () => {
    const { id } = await ask(bo, names.ada)
    await block(bo, await userId(scene, names.ada))
    expect(await contactsOf(ada)).toHaveLength(1)
    expect(await ask(ada, names.bo)).toMatchObject({ id, status: 'ACCEPTED' })
    await remove(ada, id)
    expect(await contactsOf(bo)).toEqual([])
  })
})

test('whoever blocks neither asks nor accepts, but may decline', async () => {
  const { id: contactId } = await ask(bo, names.ada)
  await block(ada, await userId(scene, names.bo))
  const input = { externalId: names.bo }
  await expectRefused(() => ada.execute(RequestContactDocument, { input }), 'CONFLICT', 'externalId')
  const answer = (accept: boolean) => ada.execute(RespondToContactDocument, { input: { contactId, accept } })
  await expectRefused(() => answer(true), 'CONFLICT', 'contactId')
  expect((await answer(false)).data!.respondToContact!.contact.status).toBe('DECLINED')
})
