import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  AddParticipantsDocument,
  ConversationIdsDocument,
  DeleteMessageDocument,
  EditMessageDocument,
  HistoryDocument,
  type HistoryQueryVariables,
  InboxUpdatedDocument,
  LeaveConversationDocument,
  MarkReadDocument,
  MessageAddedDocument,
  NodesDocument,
  ReadByDocument,
  RemoveParticipantDocument,
  RepliesAddedDocument,
  RepliesToChangedDocument,
  SendMessageDocument,
  UnreadDocument,
} from '../../generated/graphql.ts'
import type { TestApp, TestClient } from '../../support/app.ts'
import { type Stream, streamOf } from '../../support/stream.ts'
import { refusalIn, refusalOf, type Scene, send, sendMany, uuidOf } from '../support.ts'
import {
  askOver,
  createGroup,
  eventStreamsOf,
  everything,
  expectSound,
  mutationsOf,
  open,
  refusal,
  SUBSCRIPTIONS,
  see,
  setRole,
  startTwoWith,
  userIds,
  type Way,
} from './support.ts'

let scene: Scene
/** Another node of the same. */
let second: TestApp
let ada: TestClient
let di: TestClient
let cyId: string
let diId: string
let eveId: string
let id: string

beforeAll(async () => {
  ;({ scene, second } = await startTwoWith('ada', 'bo', 'cy', 'di', 'eve'))
  ada = scene.as('ada')
  di = scene.as('di')
  ;[cyId, diId, eveId] = await userIds(scene, 'cy', 'di', 'eve')
})
afterAll(async () => {
  await expectSound(scene)
  await scene.close()
})

const messageId = (seq: number) => encodeId('Message', uuidOf(id), seq)
const notFound = (field: string) => ({ code: 'NOT_FOUND', field })

async function history(client: TestClient, page: Omit<HistoryQueryVariables, 'id'> = {}) {
  const { conversation } = await client.run(HistoryDocument, { id, ...page })
  const { edges, pageInfo } = conversation!.messages
  return { edges, pageInfo, seqs: edges.map(({ node }) => node.seq), lastMessage: conversation!.lastMessage }
}

describe('whoever joined a group after its third message', () => {
  beforeEach(async () => {
    id = await createGroup(ada, 'bo', 'cy')
    await sendMany(ada, id, 3)
    await ada.run(AddParticipantsDocument, { input: { conversationId: id, userIds: [diId] } })
  })

  /** The fourth replies to the second, the fifth to the fourth. */
  async function sendReplies(): Promise<void> {
    await send(scene.as('bo'), id, 'm4', { replyToId: messageId(2) })
    await send(ada, id, 'm5', { replyToId: messageId(4) })
  }

  test('sees no message, none last and none unread before the next one', async () => {
    expect(await history(di)).toMatchObject({ seqs: [], lastMessage: null, pageInfo: NO_MORE })
    expect((await see(di, id))!.viewerState).toMatchObject({ unreadCount: 0, lastReadSeq: 3 })
    await sendReplies()
    expect(await history(di)).toMatchObject({ seqs: [4, 5], lastMessage: { seq: 5 } })
    expect((await see(di, id))!.viewerState).toMatchObject({ unreadCount: 2 })
    expect(await history(scene.as('bo'))).toMatchObject({ seqs: [1, 2, 3, 4, 5] })
  })

  test('reads no page below it, whichever way and by whichever cursor', async () => {
    await sendReplies()
    const cursors = (await history(ada)).edges.map(({ cursor }) => cursor)
    const pages: [Omit<HistoryQueryVariables, 'id'>, number[], boolean?][] = [
      [{ first: 100 }, [4, 5]],
      [{ last: 100 }, [4, 5]],
      [{ first: 1 }, [4], true],
      [{ after: cursors[0]! }, [4, 5]],
      [{ first: 1, after: cursors[0]! }, [4], true],
      [{ last: 3, after: cursors[1]! }, [4, 5]],
      [{ before: cursors[2]! }, []],
      [{ last: 2, before: cursors[3]! }, []],
      [{ first: 2, before: cursors[1]! }, []],
      [{ last: 2, before: cursors[4]! }, [4]],
      [{ first: 5, after: cursors[0]!, before: cursors[2]! }, []],
    ]
    for (const [page, seqs, hasNextPage] of pages) {
      const got = await history(di, page)
      expect(got.seqs, JSON.stringify(page)).toEqual(seqs)
      expect(got.pageInfo.hasPreviousPage, JSON.stringify(page)).toBe(false)
      if (hasNextPage !== undefined) expect(got.pageInfo.hasNextPage, JSON.stringify(page)).toBe(hasNextPage)
    }
  })

  test('finds no message below it by its id', async () => {
    await sendReplies()
    const ids = [1, 2, 3, 4, 5].map(messageId)
    const seen = async (client: TestClient) =>
      (await client.run(NodesDocument, { ids })).nodes!.map((node) => node !== null)
    expect(await seen(di)).toEqual([false, false, false, true, true])
    expect(await seen(ada)).toEqual([true, true, true, true, true])
    for (const one of ids.slice(0, 3)) expect(await di.run(ReadByDocument, { id: one })).toEqual({ node: null })
  })

  test('sees what a message replies to only from there on', async () => {
    await sendReplies()
    const replies = async (client: TestClient) =>
      (await history(client, { last: 2 })).edges.map(({ node }) => node.replyTo)
    expect(await replies(di)).toEqual([null, { id: messageId(4) }])
    expect(await replies(ada)).toEqual([{ id: messageId(2) }, { id: messageId(4) }])
  })

  test('neither replies to, nor marks as read, what is below it', async () => {
    const before = await everything(scene)
    for (const seq of [1, 3]) {
      const reply = { conversationId: id, body: 'hello', replyToId: messageId(seq) }
      expect(refusalIn(await di.execute(SendMessageDocument, { input: reply }))).toEqual(notFound('replyToId'))
      const read = { conversationId: id, messageId: messageId(seq) }
      expect(refusalIn(await di.execute(MarkReadDocument, { input: read }))).toEqual(notFound('messageId'))
    }
    expect(await everything(scene)).toEqual(before)
  })

  test('neither edits nor deletes what is below it, even its own of an earlier stay, or as an admin', async () => {
    await ada.run(AddParticipantsDocument, { input: { conversationId: id, userIds: [eveId], withHistory: true } })
    const eve = scene.as('eve')
    const { id: own } = await send(eve, id, 'm4')
    await eve.run(LeaveConversationDocument, { input: { conversationId: id } })
    await ada.run(AddParticipantsDocument, { input: { conversationId: id, userIds: [eveId] } })
    await setRole(ada, id, eveId, 'ADMIN')
    await setRole(ada, id, diId, 'ADMIN')
    const before = await everything(scene)
    for (const [client, below] of [
      [eve, own],
      [eve, messageId(1)],
      [di, messageId(1)],
      [di, messageId(3)],
      [second.as('di'), messageId(3)],
      [scene.asService('di'), messageId(3)],
    ] as const) {
      const edit = { messageId: below, body: 'mine' }
      expect(refusalIn(await client.execute(EditMessageDocument, { input: edit }))).toEqual(notFound('messageId'))
      const gone = { messageId: below }
      expect(refusalIn(await client.execute(DeleteMessageDocument, { input: gone }))).toEqual(notFound('messageId'))
    }
    expect(await everything(scene)).toEqual(before)
    // What it sees it may delete, as an admin.
    await di.run(DeleteMessageDocument, { input: { messageId: own } })
  })

  test('sees a deleted message that is replied to as one, only from there on', async () => {
    await sendReplies()
    for (const seq of [2, 4])
      await scene.asService().run(DeleteMessageDocument, { input: { messageId: messageId(seq) } })
    const replies = async (client: TestClient) => {
      const { conversation } = await client.run(RepliesToChangedDocument, { id })
      return conversation!.messages.edges.map(({ node }) => node.replyTo ?? null).slice(-2)
    }
    const tombstone = (seq: number, externalId: string) => ({
      id: messageId(seq),
      body: null,
      deletedAt: expect.any(String),
      sender: { externalId },
    })
    expect(await replies(di)).toEqual([null, tombstone(4, 'bo')])
    expect(await replies(ada)).toEqual([tombstone(2, 'ada'), tombstone(4, 'bo')])
  })

  test('is not among the readers of what is below it', async () => {
    await sendReplies()
    await di.run(MarkReadDocument, { input: { conversationId: id } })
    const readers = (await history(ada)).edges.map(({ node }) =>
      node.readBy.edges.map((edge) => edge.node.user.externalId),
    )
    expect(readers.map((names) => names.includes('di'))).toEqual([false, false, false, true, true])
  })

  test('is told of a new message with what it replies to only from there on, while others get more of the same event', async () => {
    const streams = await Promise.all(
      [di, second.as('di'), ada].map((client) => client.subscribe(RepliesAddedDocument, { conversationId: id })),
    )
    await sendReplies()
    const told = async (stream: Stream<{ messageAdded: { seq: number; replyTo?: { seq: number } | null } }>) => {
      const first = (await stream.next()).messageAdded
      return [first, (await stream.next()).messageAdded].map(({ seq, replyTo }) => [seq, replyTo?.seq ?? null])
    }
    expect(await Promise.all(streams.map(told))).toEqual([
      [
        [4, null],
        [5, 4],
      ],
      [
        [4, null],
        [5, 4],
      ],
      [
        [4, 2],
        [5, 4],
      ],
    ])
    for (const stream of streams) stream.stop()
  })

  test('counts in the list and in all that is unread only from there on', async () => {
    const { unread: before } = await di.run(UnreadDocument)
    await sendReplies()
    const { unread } = await di.run(UnreadDocument)
    expect(unread!.messages - before!.messages).toBe(2)
    const { conversations } = await di.run(ConversationIdsDocument, { filter: { isUnread: true }, first: 100 })
    expect(conversations!.edges.map(({ node }) => node.id)).toContain(id)
  })

  test('is not given an old message of an earlier stay for its key', async () => {
    const input = { conversationId: id, body: 'hello', idempotencyKey: 'k' }
    await di.run(SendMessageDocument, { input })
    await di.run(LeaveConversationDocument, { input: { conversationId: id } })
    await ada.run(AddParticipantsDocument, { input: { conversationId: id, userIds: [diId] } })
    const before = await everything(scene)
    expect(refusalIn(await di.execute(SendMessageDocument, { input }))).toEqual({
      code: 'CONFLICT',
      field: 'idempotencyKey',
    })
    expect(await everything(scene)).toEqual(before)
  })
})

const NO_MORE = { hasNextPage: false, hasPreviousPage: false }

describe.each(['removed', 'left'] as const)('whoever %s is a stranger:', (how) => {
  beforeEach(async () => {
    id = await createGroup(ada, 'bo', 'di')
    await sendMany(ada, id, 2)
    await send(di, id, 'm3')
    await send(ada, id, 'm4')
  })

  async function end(): Promise<void> {
    if (how === 'left') await di.run(LeaveConversationDocument, { input: { conversationId: id } })
    else await ada.run(RemoveParticipantDocument, { input: { conversationId: id, userId: diId } })
  }

  test('in every query, on either node', async () => {
    const uuid = uuidOf(id)
    const ids = [
      ...[id, messageId(1), messageId(3), encodeId('Participant', uuid, uuidOf(diId))],
      ...[encodeId('Participant', uuid, uuidOf((await userIds(scene, 'ada'))[0]))],
      encodeId('ConversationViewerState', uuid, uuidOf(diId)),
    ]
    const { unread: before } = await di.run(UnreadDocument)
    expect((await di.run(NodesDocument, { ids })).nodes).not.toContain(null)
    await end()
    for (const client of [di, second.as('di'), scene.asService('di')]) {
      expect(await see(client, id)).toBeNull()
      expect(await client.run(HistoryDocument, { id })).toEqual({ conversation: null })
      expect(await client.run(NodesDocument, { ids })).toEqual({ nodes: ids.map(() => null) })
      const { conversations } = await client.run(ConversationIdsDocument, {
        filter: { archived: 'INCLUDE' },
        first: 100,
      })
      expect(conversations!.edges.map(({ node }) => node.id)).not.toContain(id)
      expect((await client.run(UnreadDocument)).unread!.messages).toBe(before!.messages - 1)
    }
    const participants = (await see(ada, id))!.participants.edges.map(({ node }) => node.user.externalId)
    expect(participants.sort()).toEqual(['ada', 'bo'])
  })

  test('in every mutation, on either node', async () => {
    await end()
    const before = await everything(scene)
    for (const client of [di, second.as('di')]) {
      for (const [document, variables] of [...mutationsOf(id, cyId), ...mutationsOf(id, diId)]) {
        expect(refusalIn(await client.execute(document, variables))).toEqual(notFound('conversationId'))
      }
      const read = { conversationId: id, messageId: messageId(1) }
      expect(refusalIn(await client.execute(MarkReadDocument, { input: read }))).toEqual(notFound('conversationId'))
      // The third is its own.
      for (const message of [messageId(1), messageId(3)]) {
        const edit = { messageId: message, body: 'edited' }
        expect(refusalIn(await client.execute(EditMessageDocument, { input: edit }))).toEqual(notFound('messageId'))
        const gone = { messageId: message }
        expect(refusalIn(await client.execute(DeleteMessageDocument, { input: gone }))).toEqual(notFound('messageId'))
      }
    }
    expect(await everything(scene)).toEqual(before)
  })

  test('even with a key that was used', async () => {
    const input = { conversationId: id, body: 'hello', idempotencyKey: 'k' }
    await di.run(SendMessageDocument, { input })
    await end()
    expect(refusalIn(await di.execute(SendMessageDocument, { input }))).toEqual(notFound('conversationId'))
  })

  test('in every subscription: those that are open end on either node, new ones are refused', async () => {
    const clients = [di, second.as('di')]
    const streams: Stream<unknown>[] = []
    for (const client of clients) {
      for (const document of SUBSCRIPTIONS) streams.push(await client.subscribe(document, { conversationId: id }))
    }
    const stays = await second.as('bo').subscribe(MessageAddedDocument, { conversationId: id })
    await end()
    for (const stream of streams) expect(await stream.ended).toEqual({})
    for (const client of clients) {
      for (const document of SUBSCRIPTIONS) {
        expect(await refusalOf(await client.subscribe(document, { conversationId: id }))).toEqual(
          notFound('conversationId'),
        )
      }
    }
    await send(ada, id, 'after')
    expect((await stays.next()).messageAdded.body).toBe('after')
    expect(streams.flatMap((stream) => stream.waiting())).toEqual([])
    stays.stop()
  })

  test('in the inbox, which says LEFT on either node, and nothing more of it', async () => {
    const other = await open(di, { kind: 'GENERAL', participantExternalIds: ['ada'] })
    for (const client of [di, second.as('di')]) {
      const [inbox, messages] = [
        await client.subscribe(InboxUpdatedDocument),
        await client.subscribe(MessageAddedDocument, { conversationId: null }),
      ]
      await end()
      const { inboxUpdated } = await inbox.until((each) => each.inboxUpdated.conversationId === id)
      expect(inboxUpdated).toMatchObject({ change: 'LEFT', conversation: null })
      await send(ada, id, 'secret')
      await send(ada, other, 'hello')
      expect((await messages.next()).messageAdded).toMatchObject({ body: 'hello' })
      await inbox.until((each) => each.inboxUpdated.conversationId === other)
      expect(inbox.waiting().filter((each) => each.inboxUpdated.conversationId === id)).toEqual([])
      inbox.stop()
      messages.stop()
      await ada.run(AddParticipantsDocument, { input: { conversationId: id, userIds: [diId] } })
    }
  })

  test.each<Way>(['WebSocket', 'event stream'])('over %s', async (way) => {
    await end()
    expect(await askOver(way, scene, di, HistoryDocument, { id })).toEqual({ conversation: null })
    const send = askOver(way, scene, di, SendMessageDocument, { input: { conversationId: id, body: 'hello' } })
    expect(await refusal(send)).toEqual(notFound('conversationId'))
    const follow = askOver(way, scene, di, MessageAddedDocument, { conversationId: id })
    expect(await refusal(follow)).toEqual(notFound('conversationId'))
  })

  test('an open event stream ends', async () => {
    const sse = await eventStreamsOf(second.url, di)
    const query = 'subscription ($id: ID!) { messageAdded(conversationId: $id) { body } }'
    const messages = streamOf<{ messageAdded: { body: string } }>((sink) =>
      sse.subscribe({ query, variables: { id } }, sink),
    )
    // It is in effect once it has told of something.
    let told = false
    const first = messages.next().then(() => (told = true))
    while (!told) await Promise.race([first, send(ada, id, 'hello')])
    await end()
    expect(await messages.ended).toEqual({})
    sse.dispose()
  })
})

test('whoever comes back gets what comes from then on, and the streams of the earlier stay stay ended', async () => {
  id = await createGroup(ada, 'bo', 'di')
  const earlier = await di.subscribe(MessageAddedDocument, { conversationId: id })
  await ada.run(RemoveParticipantDocument, { input: { conversationId: id, userId: diId } })
  await send(ada, id, 'between')
  await ada.run(AddParticipantsDocument, { input: { conversationId: id, userIds: [diId] } })
  const later = await second.as('di').subscribe(MessageAddedDocument, { conversationId: id })
  await send(ada, id, 'after')
  expect((await later.next()).messageAdded.body).toBe('after')
  expect(await earlier.ended).toEqual({})
  expect(earlier.waiting()).toEqual([])
  later.stop()
})
