import { parse } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import { ConversationDocument, MessageNodeDocument, NodeDocument, NodesDocument } from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { createDispute } from '../integrations/support.ts'
import {
  expectRefused,
  GARBAGE,
  insertGroup,
  missingConversation,
  type Scene,
  send,
  startDirect,
  startScene,
  usersOf,
  uuidOf,
} from '../support.ts'

let scene: Scene
let ada: TestClient
let bo: TestClient
let cy: TestClient
let id: string
/** Ids by type, of what ada may see. */
let own: Record<'User' | 'Conversation' | 'Message' | 'Participant' | 'ConversationViewerState', string>
/** The state of bo, which is nobody else's to see. */
let foreignState: string

beforeAll(async () => {
  scene = await startScene()
  ;[ada, bo, cy] = await usersOf(scene, 'ada', 'bo', 'cy')
  id = await startDirect(ada, 'bo')
  const message = await send(ada, id, 'hello')
  const { conversation } = await ada.run(ConversationDocument, { id })
  const { conversation: asBoSeesIt } = await bo.run(ConversationDocument, { id })
  foreignState = asBoSeesIt!.viewerState!.id
  own = {
    User: message.sender!.id,
    Conversation: id,
    Message: message.id,
    Participant: conversation!.participants.edges[0]!.node.id,
    ConversationViewerState: conversation!.viewerState!.id,
  }
})
afterAll(() => scene.close())

async function nodeOf(client: TestClient, nodeId: string) {
  const { data, errors } = await client.execute(NodeDocument, { id: nodeId })
  expect(errors).toBeUndefined()
  return data!.node
}

/** Well-formed ids of what does not exist. */
function missing() {
  const uuid = uuidOf(missingConversation)
  return [
    missingConversation,
    encodeId('User', uuid),
    encodeId('Message', uuid, 1),
    encodeId('Message', uuidOf(id), 999_999),
    encodeId('Message', uuidOf(id), 2 ** 31 - 1),
    encodeId('Participant', uuid, uuid),
    encodeId('Participant', uuidOf(id), uuid),
    encodeId('ConversationViewerState', uuid, uuid),
  ]
}

/** What looks like an id to whoever does not look closely. */
function malformed() {
  const uuid = uuidOf(id)
  const encoded = (text: string) => Buffer.from(text).toString('base64url')
  return [
    ...GARBAGE,
    uuid,
    `${id}=`,
    `${id} `,
    `${id}\0`,
    encoded(`Conversation:${uuid.toUpperCase()}`),
    encoded(`conversation:${uuid}`),
    encoded(`Conversation:${uuid}:1`),
    encoded(`Conversation:${uuid}'`),
    encoded('Conversation:'),
    encoded(`__proto__:${uuid}`),
    encoded(`constructor:${uuid}`),
    encoded(`Query:${uuid}`),
    encoded(`Message:${uuid}`),
    encoded(`Message:${uuid}:0`),
    encoded(`Message:${uuid}:01`),
    encoded(`Message:${uuid}:-1`),
    encoded(`Message:${uuid}:1.5`),
    encoded(`Message:${uuid}:2147483648`),
    encoded(`Message:${uuid}:9999999999`),
    encoded(`Participant:${uuid}`),
  ]
}

describe('node', () => {
  test('gives whatever the viewer may see, of every type', async () => {
    for (const [type, nodeId] of Object.entries(own)) {
      expect(await nodeOf(ada, nodeId)).toEqual({ __typename: type, id: nodeId })
    }
  })

  test('gives the same message as its conversation', async () => {
    const { node } = await bo.run(MessageNodeDocument, { id: own.Message })
    expect(node).toMatchObject({ id: own.Message, body: 'hello', sender: { externalId: 'ada' } })
  })

  test("of a foreign thing is null, as of a missing one; users are anybody's", async () => {
    for (const [type, nodeId] of Object.entries(own)) {
      if (type !== 'User') expect(await nodeOf(cy, nodeId)).toBeNull()
    }
    expect(await nodeOf(cy, own.User)).toMatchObject({ __typename: 'User' })
    expect(await nodeOf(ada, foreignState)).toBeNull()
    for (const nodeId of missing()) expect(await nodeOf(ada, nodeId)).toBeNull()
  })

  test('of garbage is null', async () => {
    for (const nodeId of malformed()) expect(await nodeOf(ada, nodeId)).toBeNull()
  })

  test("gives a service all but a viewer's state", async () => {
    for (const [type, nodeId] of Object.entries(own)) {
      const expected = type === 'ConversationViewerState' ? null : { __typename: type, id: nodeId }
      expect(await nodeOf(scene.asService(), nodeId)).toEqual(expected)
      if (type !== 'User') expect(await nodeOf(scene.asService('cy'), nodeId)).toBeNull()
    }
    for (const nodeId of missing()) expect(await nodeOf(scene.asService(), nodeId)).toBeNull()
  })

  test('of a message from before the viewer joined, or after it left, is null', async () => {
    const group = await insertGroup(scene, ['ada', 'bo', 'cy'])
    const [before, after] = [await send(ada, group, 'before'), await send(ada, group, 'after')]
    const place = `conversation_id = '${uuidOf(group)}' AND user_id = (SELECT id FROM users WHERE external_id = 'cy')`
    await scene.sql(`UPDATE participants SET visible_from_seq = 2, last_read_seq = 1 WHERE ${place}`)
    expect(await nodeOf(cy, before.id)).toBeNull()
    expect(await nodeOf(cy, after.id)).toMatchObject({ id: after.id })
    const { conversation } = await cy.run(ConversationDocument, { id: group })
    await scene.sql(`UPDATE participants SET left_at = now() WHERE ${place}`)
    const gone = [
      group,
      after.id,
      conversation!.viewerState!.id,
      ...conversation!.participants.edges.map(({ node }) => node.id),
    ]
    for (const nodeId of gone) expect(await nodeOf(cy, nodeId)).toBeNull()
    // Nor is its place there to the others any more.
    const places = conversation!.participants.edges.map(({ node }) => node)
    const seen = await Promise.all(places.map((place) => nodeOf(ada, place.id)))
    expect(seen.map((node, index) => node && places[index]!.user.externalId)).toEqual(['ada', 'bo', null])
  })
})

describe('nodes', () => {
  test('gives them in the order of the ids, only the foreign, missing and malformed ones null', async () => {
    const foreign = await send(bo, await startDirect(bo, 'cy'), 'not for ada')
    const ids = [
      own.Message,
      foreign.id,
      own.Conversation,
      'garbage',
      own.ConversationViewerState,
      missingConversation,
      own.User,
      foreignState,
      own.Participant,
      own.Message,
    ]
    const { nodes } = await ada.run(NodesDocument, { ids })
    expect(nodes!.map((node) => node?.id ?? null)).toEqual([
      own.Message,
      null,
      own.Conversation,
      null,
      own.ConversationViewerState,
      null,
      own.User,
      null,
      own.Participant,
      own.Message,
    ])
    expect(nodes!.map((node) => node?.__typename)).toEqual([
      'Message',
      undefined,
      'Conversation',
      undefined,
      'ConversationViewerState',
      undefined,
      'User',
      undefined,
      'Participant',
      'Message',
    ])
  })

  test('of none are none', async () => {
    expect(await ada.run(NodesDocument, { ids: [] })).toEqual({ nodes: [] })
  })

  test('may be 100', async () => {
    const { nodes } = await ada.run(NodesDocument, { ids: Array(100).fill(own.Message) })
    expect(nodes).toEqual(Array(100).fill({ __typename: 'Message', id: own.Message }))
  })

  test('of 101 ids are bad input', async () => {
    await expectRefused(scene, () => ada.execute(NodesDocument, { ids: Array(101).fill(own.Message) }), {
      code: 'BAD_USER_INPUT',
      field: 'ids',
    })
  })
})

test('fields below different types may have different arguments', async () => {
  const conversationId = await startDirect(bo, 'cy')
  const message = await send(bo, conversationId, 'm1')
  const { dispute } = await createDispute(bo, { conversationId })
  const query = parse(`query($ids: [ID!]!) {
    nodes(ids: $ids) {
      ... on Message { conversation { messages(first: 1) { edges { node { seq } } } } }
      ... on Dispute { conversation { messages(first: 2) { edges { node { seq } } } } }
    }
  }`) as typeof NodesDocument
  // Again and again, so that it is executed by its plan too.
  for (let time = 0; time < 6; time++) {
    const { nodes } = await bo.run(query, { ids: [message.id, dispute.id] })
    const pages = nodes!.map((node) => (node as unknown as { conversation: { messages: { edges: [] } } }).conversation)
    expect(pages.map(({ messages }) => messages.edges)).toEqual([
      [{ node: { seq: 1 } }],
      [{ node: { seq: 1 } }, { node: { seq: 2 } }],
    ])
  }
})
