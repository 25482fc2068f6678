import { EventEmitter, once } from 'node:events'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Chat } from '../../examples/chat.ts'
import type { ParleyOptions } from '../../examples/connection.ts'
import { createGroup } from '../features/groups.ts'
import { send as sendBy, startScene, usersOf, uuidOf } from '../features/support.ts'
import {
  type ChatMessageFragment,
  DeleteMessageDocument,
  EditMessageDocument,
  MarkReadDocument,
  RemoveParticipantDocument,
  SetParticipantRoleDocument,
  UpdateConversationDocument,
} from '../generated/graphql.ts'
import { startApp, type TestApp } from '../support/app.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { createTcpProxy } from '../support/tcp-proxy.ts'
import { countRequests, holdAnswer, holdRequests, sawUnavailable } from './requests.ts'
import { createScreen, numbered, seenSockets } from './screen.ts'

/** What the example of a client library opens a conversation with, for Ada. */
export interface ChatToOpen {
  options: ParleyOptions
  conversationId: string
  show(chat: Chat): void
  closed(error?: unknown): void
}

/** A conversation that is open. */
export interface OpenChat {
  send(body: string, idempotencyKey?: string): Promise<ChatMessageFragment>
  loadOlder(): Promise<unknown>
  close(): void
}

/** For a machine that does much else; nothing here takes long by itself. */
const PATIENCE = { timeout: 90_000 }
const env = { RATE_LIMIT: '0' }

/** Tests what must hold of the example of each library. */
export function describeChat(library: string, open: (chat: ChatToOpen) => OpenChat) {
  const server = new EventEmitter()
  const overrides = { onSubscribed: () => server.emit('subscribed') }
  let shared: TestApp
  beforeAll(async () => {
    shared = await startApp({ env, overrides })
  })
  afterAll(() => shared.close())
  let groups = 0

  /** A group of Ada, Bob and Cy in which Bob has sent some messages. Ada reaches the server by a line that can fail. */
  async function startConversation({ messages = 0, app = shared } = {}) {
    const names = ['ada', 'bob', 'cy'].map((name) => name + groups)
    groups++
    const [ada, bob] = await usersOf(app, ...names)
    const conversationId = await createGroup(bob!, names[0]!, names[2]!)
    const bobSends = (body: string) => sendBy(bob!, conversationId, body)
    const ids: string[] = []
    for (let seq = 1; seq <= messages; seq++) ids.push((await bobSends(`message ${seq}`)).id)

    const target = { port: Number(new URL(app.url).port) }
    const line = await createTcpProxy(target)
    onTestFinished(() => line.close())
    const sockets = seenSockets()
    const url = `http://127.0.0.1:${line.port}/graphql`
    return {
      options: { url, token: () => ada!.token, webSocketImpl: sockets.webSocketImpl } as ParleyOptions,
      conversationId,
      ids,
      names,
      bob: bob!,
      bobSends,
      sockets,
      target,
      line,
      /** The line fails, and connections that are tried hang. */
      goAway() {
        line.blackhole()
        line.cut()
      },
      comeBack() {
        line.restore()
        line.cut()
      },
    }
  }

  /** Opens it, and waits until what happens comes by event. */
  async function openTab(options: ParleyOptions, conversationId: string) {
    const { show, ...screen } = createScreen()
    let closed: (error?: unknown) => void = () => {}
    const over = new Promise<unknown>((resolve) => {
      closed = resolve
    })
    const following = subscribed()
    const chat = open({ options, conversationId, show, closed })
    onTestFinished(chat.close)
    await Promise.race([following, over])
    return { ...chat, ...screen, over }
  }

  async function openChat({ messages = 0, app = shared, ...options }: Opening = {}) {
    const started = await startConversation({ messages, app })
    return { ...started, ...(await openTab({ ...started.options, ...options }, started.conversationId)) }
  }

  /** Of Ada, Bob and Cy, as the screen shows them. */
  async function userIds({ names, until }: Awaited<ReturnType<typeof openChat>>) {
    const { participants } = await until(() => true)
    const users = participants.edges.map(({ node }) => node.user)
    return names.map((name) => users.find(({ displayName }) => displayName === name)?.id)
  }

  type Opening = { messages?: number; app?: TestApp } & Partial<ParleyOptions>
  const subscribed = () => once(server, 'subscribed')

  describe(library, PATIENCE, () => {
    test('shows what was sent before, and then each message once', async () => {
      const { bobSends, shows, expectOnceInOrder } = await openChat({ messages: 2 })
      await shows(...numbered(1, 2))
      await bobSends('message 3')
      await shows(...numbered(1, 3))
      await bobSends('message 4')
      await shows(...numbered(1, 4))
      expectOnceInOrder()
    })

    test('shows edits, deletions and titles as they happen', async () => {
      const { bob, ids, conversationId, shows, until } = await openChat({ messages: 2 })
      await shows(...numbered(1, 2))
      await bob.run(EditMessageDocument, { input: { messageId: ids[1]!, body: 'edited' } })
      await shows('1 message 1', '2 edited')
      await bob.run(DeleteMessageDocument, { input: { messageId: ids[1]! } })
      await shows('1 message 1', '2 (deleted)')
      await bob.run(UpdateConversationDocument, { input: { conversationId, title: 'Renamed' } })
      await until(({ title }) => title === 'Renamed')
    })

    test('shows a message once when its event comes before the answer', async () => {
      const { send, bobSends, shows, expectOnceInOrder } = await openChat()
      const answer = holdAnswer('SendChatMessage')
      const sent = send('mine', 'key')
      await shows('… mine')
      await shows('1 mine')
      await bobSends('hers')
      await shows('1 mine', '2 hers')
      answer.release()
      await sent
      await bobSends('more')
      await shows('1 mine', '2 hers', '3 more')
      expectOnceInOrder()
    })

    test('shows a message once when its event comes after the answer', async () => {
      const { send, bobSends, shows, expectOnceInOrder, sockets } = await openChat()
      sockets.last().pause()
      const sent = send('mine', 'key')
      await shows('… mine')
      await sent
      await shows('1 mine')
      sockets.last().resume()
      await bobSends('hers')
      await shows('1 mine', '2 hers')
      expectOnceInOrder()
    })

    test('sends again under the same key what it got no answer to, and it is stored once', async () => {
      const { send, bobSends, shows, expectOnceInOrder, sockets } = await openChat()
      const sends = countRequests('SendChatMessage')
      sockets.last().pause()
      const answer = holdAnswer('SendChatMessage')
      const sent = send('mine', 'key')
      await answer.arrived
      await shows('… mine')
      answer.lose()
      expect(await sent).toMatchObject({ seq: 1, idempotencyKey: 'key' })
      await shows('1 mine')
      expect(sends()).toBe(2)
      sockets.last().resume()
      expect(await bobSends('hers')).toMatchObject({ seq: 2 })
      await shows('1 mine', '2 hers')
      expectOnceInOrder()
    })

    test('sends what is written while the line is down once it is back, in the order of writing', async () => {
      const { send, shows, expectOnceInOrder, goAway, comeBack } = await openChat({ messages: 1 })
      await shows(...numbered(1, 1))
      goAway()
      const sent = ['one', 'two', 'three'].map((body) => send(body))
      await shows('1 message 1', '… one', '… two', '… three')
      comeBack()
      await shows('1 message 1', '2 one', '3 two', '4 three')
      expect((await Promise.all(sent)).map(({ seq }) => seq)).toEqual([2, 3, 4])
      expectOnceInOrder()
    })

    test('says what is refused, does not send it again, and goes on', async () => {
      const { send, shows } = await openChat()
      const sends = countRequests('SendChatMessage')
      await expect(send(' ')).rejects.toThrow('body')
      expect(sends()).toBe(1)
      await send('better')
      await shows('1 better', '…  ')
    })

    test('pages back, and never shows an older version in the place of a newer one', async () => {
      const { bob, ids, bobSends, loadOlder, shows, expectOnceInOrder } = await openChat({ messages: 55 })
      await shows(...numbered(6, 55))
      await bobSends('message 56')
      await shows(...numbered(6, 56))
      const answer = holdAnswer('OlderMessages')
      const loaded = loadOlder()
      await answer.arrived
      // The page that is on its way has it as it was; one that is not shown yet stays out of sight.
      await bob.run(EditMessageDocument, { input: { messageId: ids[0]!, body: 'edited' } })
      await bob.run(EditMessageDocument, { input: { messageId: ids[54]!, body: 'edited' } })
      await shows(...numbered(6, 54), '55 edited', '56 message 56')
      answer.release()
      await loaded
      await shows('1 edited', ...numbered(2, 54), '55 edited', '56 message 56')
      expectOnceInOrder()
    })

    test('catches up with what was sent while the line was down, each once and in order, without a query', async () => {
      const queries = countRequests('query Chat(')
      const { bobSends, shows, expectOnceInOrder, goAway, comeBack, sockets } = await openChat({ messages: 2 })
      await shows(...numbered(1, 2))
      await bobSends('message 3')
      await shows(...numbered(1, 3))
      for (const last of [6, 9]) {
        goAway()
        for (let seq = last - 2; seq <= last; seq++) await bobSends(`message ${seq}`)
        comeBack()
        await shows(...numbered(1, last))
      }
      expectOnceInOrder()
      expect(queries()).toBe(1)
      expect(sockets.seqs()).toEqual([3, 4, 5, 6, 7, 8, 9])
    })

    test('tries to connect for as long as it is refused', async () => {
      const { bobSends, shows, goAway, comeBack, sockets } = await openChat({ messages: 1 })
      goAway()
      for (const times of [2, 3]) {
        await sockets.saw('begun', times)
        sockets.last().terminate()
      }
      await bobSends('message 2')
      comeBack()
      await shows(...numbered(1, 2))
    })

    test('leaves no gap where more than a page was missed', async () => {
      const { bobSends, loadOlder, shows, expectOnceInOrder, goAway, comeBack } = await openChat({ messages: 51 })
      await shows(...numbered(2, 51))
      await loadOlder()
      await shows(...numbered(1, 51))
      goAway()
      for (let seq = 52; seq <= 120; seq++) await bobSends(`message ${seq}`)
      comeBack()
      await shows(...numbered(1, 120))
      expectOnceInOrder()
    })

    test('shows what else changed while the line was down', async () => {
      const chat = await openChat({ messages: 3 })
      const { bob, ids, conversationId, shows, until, goAway, comeBack } = chat
      await shows(...numbered(1, 3))
      const [ada, , cy] = await userIds(chat)
      goAway()
      await bob.run(EditMessageDocument, { input: { messageId: ids[0]!, body: 'edited' } })
      await bob.run(EditMessageDocument, { input: { messageId: ids[0]!, body: 'edited again' } })
      await bob.run(DeleteMessageDocument, { input: { messageId: ids[1]! } })
      await bob.run(UpdateConversationDocument, { input: { conversationId, title: 'Renamed' } })
      await bob.run(SetParticipantRoleDocument, { input: { conversationId, userId: ada!, role: 'ADMIN' } })
      await bob.run(RemoveParticipantDocument, { input: { conversationId, userId: cy! } })
      await chat.bobSends('last')
      await bob.run(MarkReadDocument, { input: { conversationId } })
      comeBack()
      await shows('1 edited again', '2 (deleted)', '3 message 3', '4 last')
      await until(({ title }) => title === 'Renamed')
      await until(({ participants }) => {
        const roles = participants.edges.map(({ node }) => `${node.user.displayName} ${node.role} ${node.lastReadSeq}`)
        return roles.sort().join() === `${chat.names[0]} ADMIN 0,${chat.names[1]} OWNER 4`
      })
      chat.expectOnceInOrder()
    })

    test('finds out by itself that the line is dead, and goes on where it was', async () => {
      const { bobSends, shows, expectOnceInOrder, line, sockets } = await openChat({ messages: 1, keepAlive: 1_000 })
      await shows(...numbered(1, 1))
      // This connection stays silent, and nobody is told; new ones work.
      line.blackhole()
      line.restore()
      await bobSends('message 2')
      await shows(...numbered(1, 2))
      expectOnceInOrder()
      expect(sockets.seqs()).toEqual([2])
    })

    test('begins a stream that is silent for too long anew, and goes on where it was', async () => {
      const { bobSends, shows, expectOnceInOrder } = await openChat({ messages: 1, silence: 500 })
      await bobSends('message 2')
      await shows(...numbered(1, 2))
      await subscribed()
      await subscribed()
      await bobSends('message 3')
      await shows(...numbered(1, 3))
      expectOnceInOrder()
    })

    test('asks for a fresh token when its own is refused', async () => {
      const { options, conversationId, bobSends, sockets } = await startConversation({ messages: 1 })
      // The first goes with the query, the second with the socket.
      const tokens = [options.token(), 'refused']
      const token = () => tokens.shift() ?? options.token()
      const { shows } = await openTab({ ...options, token }, conversationId)
      await sockets.saw('closed 4403')
      await bobSends('message 2')
      await shows(...numbered(1, 2))
    })

    test('goes on when it could not get a token for a while', async () => {
      const { options, conversationId, bobSends, line } = await startConversation({ messages: 1 })
      // So slow that the next attempt begins before the last one is closed.
      line.delay(600)
      const refused = () => Promise.reject(new Error('no token'))
      const tokens = [options.token, refused]
      const token = () => (tokens.shift() ?? options.token)()
      const { shows } = await openTab({ ...options, token }, conversationId)
      await bobSends('message 2')
      await shows(...numbered(1, 2))
    })

    test('closes at once when one is removed', async () => {
      const chat = await openChat({ messages: 1 })
      const { bob, bobSends, conversationId, over, shows } = chat
      await shows(...numbered(1, 1))
      const [userId] = await userIds(chat)
      await bob.run(RemoveParticipantDocument, { input: { conversationId, userId: userId! } })
      expect(await over).toBeUndefined()
      await bobSends('for others')
      await shows(...numbered(1, 1))
    })

    test('closes when one was removed while the line was down', async () => {
      const chat = await openChat({ messages: 1 })
      const { bob, conversationId, over, goAway, comeBack } = chat
      const [userId] = await userIds(chat)
      goAway()
      await bob.run(RemoveParticipantDocument, { input: { conversationId, userId: userId! } })
      comeBack()
      expect(String(await over)).toContain('no such conversation')
    })

    test('does not open what one is not in', async () => {
      const { options } = await startConversation()
      const { conversationId } = await startConversation()
      const { over } = await openTab(options, conversationId)
      expect(await over).toBeUndefined()
    })

    test('shows the same in two tabs', async () => {
      const started = await startConversation({ messages: 1 })
      const one = await openTab(started.options, started.conversationId)
      const other = await openTab(started.options, started.conversationId)
      const sent = [one.send('by one'), other.send('by other')]
      started.line.cut()
      const stored = (await Promise.all(sent)).sort((a, b) => a.seq - b.seq)
      const lines = stored.map(({ seq, body }) => `${seq} ${body}`)
      expect(stored.map(({ seq }) => seq)).toEqual([2, 3])
      for (const tab of [one, other]) await tab.shows('1 message 1', ...lines)
      await started.bobSends('message 4')
      for (const tab of [one, other]) {
        await tab.shows('1 message 1', ...lines, '4 message 4')
        tab.expectOnce()
      }
    })
  })

  describe(`${library} with a database of its own`, PATIENCE, () => {
    let database: TestDatabase
    beforeAll(async () => {
      database = await createTestDatabase()
    })
    afterAll(() => database.drop())

    test('waits while the database is away: sends are stored once, and the stream goes on', async () => {
      const url = new URL(database.url)
      const wire = await createTcpProxy({ port: Number(url.port) })
      url.hostname = '127.0.0.1'
      url.port = String(wire.port)
      const app = await startApp({ env, overrides, databaseUrl: url.href })
      onTestFinished(async () => {
        wire.restore()
        await app.close()
        await wire.close()
      })
      const chat = await openChat({ messages: 1, silence: 1_000, app })
      const { send, bobSends, shows, expectOnceInOrder, sockets, line } = chat
      await shows(...numbered(1, 1))
      const refused = sawUnavailable()
      wire.blackhole()
      wire.cut()
      const sent = send('mine')
      await refused
      await shows('1 message 1', '… mine')
      // It fell silent, and could not be begun anew; then no connection either.
      await sockets.saw('UNAVAILABLE')
      line.cut()
      await sockets.saw('closed 1013')
      wire.restore()
      wire.cut()
      expect(await sent).toMatchObject({ seq: 2 })
      await shows('1 message 1', '2 mine')
      await bobSends('message 3')
      await shows('1 message 1', '2 mine', '3 message 3')
      expectOnceInOrder()
    })

    test('loads anew after the database was restored, and lets go of what is no more', async () => {
      const queries = countRequests('query Chat(')
      const before = await startScene({ env, overrides, databaseUrl: database.url })
      onTestFinished(() => before.close())
      const { conversationId, names, target, send, shows, goAway, comeBack } = await openChat({
        messages: 3,
        app: before,
      })
      await shows(...numbered(1, 3))
      goAway()
      const releaseSend = holdRequests('SendChatMessage')
      const waiting = send('waiting')
      await shows(...numbered(1, 3), '… waiting')

      // As after a restore: the last message is lost, and the next start finds another history.
      const uuid = uuidOf(conversationId)
      await before.sql('DELETE FROM messages WHERE conversation_id = $1 AND seq = 3', [uuid])
      await before.sql('UPDATE conversations SET last_seq = 2, message_count = 2 WHERE id = $1', [uuid])
      await before.sql(`UPDATE database_epoch SET system_identifier = '0'`)
      const after = await startApp({ env, overrides, databaseUrl: database.url })
      onTestFinished(() => after.close())
      target.port = Number(new URL(after.url).port)
      comeBack()
      await shows(...numbered(1, 2), '… waiting')
      releaseSend()
      await shows(...numbered(1, 2), '3 waiting')
      expect(await waiting).toMatchObject({ seq: 3 })
      await sendBy(after.as(names[1]!), conversationId, 'hers')
      await shows(...numbered(1, 2), '3 waiting', '4 hers')
      expect(queries()).toBe(2)
    })
  })
}
