import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { print } from 'graphql'
import { createClient } from 'graphql-ws'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import WebSocket from 'ws'
import { type Scene, send, startDirect, subscribeByEventStream, usersOf } from '../features/support.ts'
import {
  DeactivateUserDocument,
  MessageAddedDocument,
  ReactivateUserDocument,
  RevokeTokensDocument,
  SetTypingDocument,
  TypingDocument,
  UpsertUsersDocument,
  ViewerDocument,
} from '../generated/graphql.ts'
import { startApp, type TestApp, type TestClient } from '../support/app.ts'
import { type Nodes, startNodes } from './nodes.ts'

// What happens on open connections to those who are no longer let in. The host speaks to this node, Bo is on the other.

let nodes: Nodes
let here: Scene
let there: TestApp
let ada: TestClient
let bo: TestClient
let id: string

beforeAll(async () => {
  nodes = await startNodes()
  ;({ here, there } = nodes)
})
afterAll(() => nodes.close())

let count = 0
beforeEach(async () => {
  count++
  ;[ada] = await usersOf(here, `ada-${count}`)
  ;[bo] = await usersOf(there, `bo-${count}`)
  id = await startDirect(ada, `bo-${count}`)
})

const host = () => here.asService()
const deactivate = () => host().run(DeactivateUserDocument, { input: { externalId: `bo-${count}` } })

/** A socket of Bo's, and the code with which it is closed. */
function openSocket(query: string, variables: Record<string, unknown> = {}, { url } = there) {
  const closed = vi.fn<(code: number) => void>()
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    lazy: false,
    onNonLazyError: () => {},
    connectionParams: async () => ({ authorization: `Bearer ${await bo.token}` }),
    on: { closed: (event) => closed((event as { code: number }).code) },
  })
  const ask = () => client.iterate({ query, variables }).next()
  return { ask, closed, client }
}

test('a deactivated user’s subscriptions end on every node, over WebSocket and event stream', async () => {
  const socket = await bo.subscribe(MessageAddedDocument, { conversationId: id })
  const stream = await subscribeByEventStream(there, bo, MessageAddedDocument, { conversationId: id })
  await deactivate()
  expect(await socket.ended).toMatchObject({ error: { code: 4403 } })
  expect(await stream.ended).toEqual({})
})

test('a deactivated user’s quiet socket is closed, and no other’s', async () => {
  const socket = openSocket(print(ViewerDocument))
  await socket.ask()
  const others = await ada.subscribe(MessageAddedDocument, { conversationId: id })
  await deactivate()
  await vi.waitFor(() => expect(socket.closed).toHaveBeenCalledWith(4403), { timeout: 30_000 })
  await send(host(), id, 'still here').catch(() => {})
  await host().run(ReactivateUserDocument, { input: { externalId: `bo-${count}` } })
  await send(ada, id, 'and now')
  expect((await others.next()).messageAdded.body).toBe('and now')
})

describe('on a node that no news reaches', () => {
  let deaf: TestApp
  beforeAll(async () => {
    // Without the Redis of the others.
    deaf = await startApp({ databaseUrl: here.databaseUrl, env: { RATE_LIMIT: '0' } })
  })
  afterAll(() => deaf.close())

  test('an open socket is refused at its next operation', async () => {
    const socket = openSocket(print(ViewerDocument), {}, deaf)
    await socket.ask()
    await deactivate()
    await expect(socket.ask()).rejects.toMatchObject({ code: 4403 })
  })

  test('a quiet subscription ends all the same, a little later', { timeout: 90_000 }, async () => {
    const stream = await deaf.as(`bo-${count}`).subscribe(MessageAddedDocument, { conversationId: id })
    await deactivate()
    expect(await stream.ended).toMatchObject({ error: { code: 4403 } })
  })

  test('a message is sent under the name that the host has just given', async () => {
    const sender = deaf.as(`bo-${count}`)
    const stream = await deaf.as(`ada-${count}`).subscribe(MessageAddedDocument, { conversationId: id })
    for (const displayName of ['Robert', 'Roberta', 'Bo']) {
      await sender.run(ViewerDocument)
      await host().run(UpsertUsersDocument, { input: { users: [{ externalId: `bo-${count}`, displayName }] } })
      await send(sender, id, 'who am I?')
      expect((await stream.next()).messageAdded.sender!.displayName).toBe(displayName)
    }
  })

  test('a request whose body is held back is refused once that comes', async () => {
    // So that its head is let in at once.
    await deaf.as(`bo-${count}`).run(ViewerDocument)
    const answer = new Promise<string>((resolve, reject) => {
      const asking = request(`${deaf.url}/graphql`, { method: 'POST' }, async (response) =>
        resolve(await text(response)),
      )
      asking.on('error', reject)
      const body = JSON.stringify({ query: print(ViewerDocument) })
      void bo.token
        .then((token) => {
          asking.setHeader('authorization', `Bearer ${token}`)
          asking.setHeader('content-type', 'application/json')
          asking.setHeader('content-length', body.length)
          asking.flushHeaders()
          return deactivate()
        })
        .then(() => asking.end(body), reject)
    })
    expect(JSON.parse(await answer)).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
  })

  test('no request is let in once the deactivation was acknowledged, however often one asks', async () => {
    const reader = deaf.as(`bo-${count}`)
    for (let round = 0; round < 5; round++) {
      const answered = { before: 0, after: 0 }
      let isAcknowledged = false
      const lanes = [1, 2, 3].map(async () => {
        while (answered.after < 30) {
          const when = isAcknowledged ? 'after' : 'before'
          const { errors } = await reader.execute(ViewerDocument)
          if (when === 'after') expect(errors?.[0]?.extensions).toEqual({ code: 'UNAUTHENTICATED' })
          answered[when]++
        }
      })
      await vi.waitFor(() => expect(answered.before).toBeGreaterThan(10), { timeout: 30_000 })
      await deactivate()
      isAcknowledged = true
      await Promise.all(lanes)
      await host().run(ReactivateUserDocument, { input: { externalId: `bo-${count}` } })
      expect((await reader.run(ViewerDocument)).viewer!.externalId).toBe(`bo-${count}`)
    }
  })
})

test('the socket of a revoked token is closed, and a newer token is let in', async () => {
  const socket = openSocket(print(ViewerDocument))
  await socket.ask()
  const issuedBefore = new Date(Date.now() + 1_000).toISOString()
  await host().run(RevokeTokensDocument, { input: { externalId: `bo-${count}`, issuedBefore } })
  await vi.waitFor(() => expect(socket.closed).toHaveBeenCalledWith(4403), { timeout: 30_000 })
  expect((await bo.execute(ViewerDocument)).errors?.[0]?.extensions).toEqual({ code: 'UNAUTHENTICATED' })
  const later = { now: () => Date.now() + 5_000 }
  const app = await startApp({ databaseUrl: here.databaseUrl, overrides: { clock: later } })
  expect((await app.as(`bo-${count}`).run(ViewerDocument)).viewer!.externalId).toBe(`bo-${count}`)
  await app.close()
})

test('a reactivated user is let in again', async () => {
  await deactivate()
  expect((await bo.execute(ViewerDocument)).errors?.[0]?.extensions).toEqual({ code: 'UNAUTHENTICATED' })
  await host().run(ReactivateUserDocument, { input: { externalId: `bo-${count}` } })
  expect((await bo.run(ViewerDocument)).viewer!.externalId).toBe(`bo-${count}`)
})

test('a socket takes up what changes in the profile', async () => {
  const socket = openSocket(print(ViewerDocument))
  await socket.ask()
  await here.sql(`UPDATE users SET display_name = 'Bo the Second' WHERE external_id = $1`, [`bo-${count}`])
  expect((await socket.ask()).value).toMatchObject({ data: { viewer: { displayName: 'Bo the Second' } } })
  await socket.client.dispose()
})

test('typing ends when the typist’s socket does', async () => {
  const stream = await ada.subscribe(TypingDocument, { conversationId: id })
  const input = { conversationId: id, isTyping: true }
  const socket = openSocket(print(SetTypingDocument), { input })
  await socket.ask()
  expect((await stream.next()).typing).toMatchObject({ isTyping: true, user: { externalId: `bo-${count}` } })
  socket.client.terminate()
  expect((await stream.next()).typing).toMatchObject({ isTyping: false, expiresAt: null })
})
