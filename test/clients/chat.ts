import { EventEmitter, once } from 'node:events'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import WebSocket from 'ws'
import { isStored } from '../../examples/messages.ts'
import {
  type ChatMessageFragment,
  SendMessageDocument,
  StartDirectConversationDocument,
  ViewerDocument,
} from '../generated/graphql.ts'
import { startApp, type TestApp } from '../support/app.ts'
import { holdAnswer } from './held-answer.ts'

/** What a client library is connected with, for Ada. */
export interface Chat {
  options: { url: string; token: () => Promise<string>; webSocketImpl: unknown }
  conversationId: string
  screen: Screen
  /** Resolves when the next subscription is in effect. */
  subscribed(): Promise<unknown>
  bobSends(body: string): Promise<unknown>
}

/** A conversation as a client library shows it on the screen. */
export interface OpenChat {
  /** Throws what went wrong. */
  send(body: string, idempotencyKey: string): Promise<ChatMessageFragment>
  loadOlder(): Promise<unknown>
  close(): void
}

/** The messages that are shown, each time that they change. */
export interface Screen {
  show(messages: ChatMessageFragment[]): void
  changed(): Promise<unknown>
  /** Waits until the messages are these: `1 hello`, by seq, and `… hello` while it is pending. */
  shows(...lines: string[]): Promise<void>
  /** Checks that no message was ever there twice. */
  expectNoRepeats(): void
}

/** Tests what must hold of the example of each library; gives back what further tests need. */
export function describeChat(library: string, open: (chat: Chat) => Promise<OpenChat>) {
  const server = new EventEmitter()
  let app: TestApp
  beforeAll(async () => {
    app = await startApp({ overrides: { onSubscribed: () => server.emit('subscribed') } })
  })
  afterAll(() => app.close())
  const subscribed = () => once(server, 'subscribed')
  let pairs = 0

  /** A conversation of Ada's in which Bob has sent some messages. */
  async function startConversation(messages = 0) {
    const pair = ++pairs
    const [ada, bob] = [app.as(`ada${pair}`), app.as(`bob${pair}`)]
    await ada.run(ViewerDocument)
    const started = await bob.run(StartDirectConversationDocument, { input: { externalId: `ada${pair}` } })
    const conversationId = started.startDirectConversation!.conversation.id
    const bobSends = (body: string) => bob.run(SendMessageDocument, { input: { conversationId, body } })
    for (let seq = 1; seq <= messages; seq++) await bobSends(`message ${seq}`)
    const { webSocketImpl, socket } = seenWebSocket()
    const options = { url: `${app.url}/graphql`, token: () => ada.token, webSocketImpl }
    return { conversationId, bobSends, options, socket, subscribed, screen: createScreen() }
  }

  async function openChat({ messages = 0 } = {}) {
    const chat = await startConversation(messages)
    const opened = await open(chat)
    onTestFinished(opened.close)
    return { ...chat, ...chat.screen, ...opened }
  }

  describe(library, () => {
    test('shows what was sent before, and then each message once', async () => {
      const { bobSends, shows, expectNoRepeats } = await openChat({ messages: 2 })
      await shows(...numbered(1, 2))
      await bobSends('message 3')
      await shows(...numbered(1, 3))
      await bobSends('message 4')
      await shows(...numbered(1, 4))
      expectNoRepeats()
    })

    test('shows a message once when its event comes before the answer', async () => {
      const { send, bobSends, shows, expectNoRepeats } = await openChat()
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
      expectNoRepeats()
    })

    test('shows a message once when its event comes after the answer', async () => {
      const { send, bobSends, shows, expectNoRepeats, socket } = await openChat()
      socket().pause()
      const sent = send('mine', 'key')
      await shows('… mine')
      await sent
      await shows('1 mine')
      socket().resume()
      await bobSends('hers')
      await shows('1 mine', '2 hers')
      expectNoRepeats()
    })

    test('sends again under the same key what it got no answer to, and shows it once', async () => {
      const { send, bobSends, shows, expectNoRepeats, socket } = await openChat()
      socket().pause()
      const answer = holdAnswer('SendChatMessage')
      const lost = send('mine', 'key')
      await answer.arrived
      answer.lose()
      await expect(lost).rejects.toThrow('fetch failed')
      await shows('… mine')

      const first = await send('mine', 'key')
      await shows('1 mine')
      expect(await send('mine', 'key')).toEqual(first)
      socket().resume()
      await bobSends('hers')
      await shows('1 mine', '2 hers')
      expectNoRepeats()
    })

    test('pages back, while messages come in', async () => {
      const { bobSends, loadOlder, shows, expectNoRepeats } = await openChat({ messages: 55 })
      await shows(...numbered(6, 55))
      await bobSends('message 56')
      await shows(...numbered(6, 56))
      await loadOlder()
      await shows(...numbered(1, 56))
      expectNoRepeats()
    })

    test('catches up after a broken connection, and keeps the pages that it holds', async () => {
      const { bobSends, loadOlder, shows, expectNoRepeats, socket } = await openChat({ messages: 51 })
      await shows(...numbered(2, 51))
      await loadOlder()
      await shows(...numbered(1, 51))
      socket().terminate()
      await bobSends('message 52')
      await shows(...numbered(1, 52))
      expectNoRepeats()
    })

    test('leaves no gap where more than a page was missed', async () => {
      const { bobSends, loadOlder, shows, expectNoRepeats, socket } = await openChat({ messages: 1 })
      await shows(...numbered(1, 1))
      socket().terminate()
      for (let seq = 2; seq <= 53; seq++) await bobSends(`message ${seq}`)
      await shows(...numbered(4, 53))
      await loadOlder()
      await shows(...numbered(1, 53))
      expectNoRepeats()
    })
  })

  return { startConversation }
}

/** The lines of Bob's messages. */
export function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `${from + i} message ${from + i}`)
}

function createScreen(): Screen {
  const shown: ChatMessageFragment[][] = []
  const changes = new EventEmitter()
  const changed = () => once(changes, 'change')
  return {
    changed,
    show(messages) {
      shown.push(messages)
      changes.emit('change')
    },
    async shows(...expected) {
      while (linesOf(shown.at(-1))?.join('\n') !== expected.join('\n')) await changed()
    },
    expectNoRepeats() {
      for (const messages of shown) {
        const bodies = messages.map(({ body }) => body)
        expect(bodies).toEqual([...new Set(bodies)])
      }
    },
  }
}

function linesOf(messages: ChatMessageFragment[] | undefined): string[] | undefined {
  return messages?.map((message) => `${isStored(message) ? message.seq : '…'} ${message.body}`)
}

/** ws, and the last WebSocket that was opened with it. */
function seenWebSocket() {
  let last: WebSocket
  class SeenWebSocket extends WebSocket {
    constructor(url: string, protocols: string | string[]) {
      super(url, protocols)
      last = this
    }
  }
  return { webSocketImpl: SeenWebSocket, socket: () => last }
}
