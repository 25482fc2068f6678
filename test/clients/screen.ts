import { EventEmitter, once } from 'node:events'
import { expect } from 'vitest'
import WebSocket from 'ws'
import type { Chat } from '../../examples/chat.ts'
import { isStored } from '../../examples/messages.ts'

/** A conversation as a client shows it, each time that it changes. */
export function createScreen() {
  const shown: Chat[] = []
  const changes = new EventEmitter()

  /** Waits until what is shown fits. */
  async function until(fits: (chat: Chat) => boolean): Promise<Chat> {
    for (;;) {
      const now = shown.at(-1)
      if (now && fits(now)) return now
      await once(changes, 'change')
    }
  }

  /** Checks that no message was ever there twice. */
  function expectOnce() {
    expect(shown.length).toBeGreaterThan(0)
    for (const { messages } of shown) {
      const keys = messages.edges.map(({ node }) => node.idempotencyKey ?? node.id)
      expect(keys).toEqual([...new Set(keys)])
    }
  }

  return {
    show(chat: Chat) {
      shown.push(chat)
      changes.emit('change')
    },
    until,
    /** Waits until the messages are these: `1 hello`, by seq, and `… hello` while it is pending. */
    async shows(...lines: string[]) {
      await until((chat) => linesOf(chat).join('\n') === lines.join('\n'))
    },
    expectOnce,
    /** Checks that each message came once, and right after the one before it. */
    expectOnceInOrder() {
      expectOnce()
      for (const { messages } of shown) {
        const seqs = messages.edges.map(({ node }) => node.seq).filter((seq) => isStored({ seq }))
        expect(seqs).toEqual(seqs.map((_, i) => seqs[0]! + i))
      }
    },
  }
}

function linesOf({ messages }: Chat): string[] {
  return messages.edges.map(({ node }) => {
    return `${isStored(node) ? node.seq : '…'} ${node.deletedAt ? '(deleted)' : node.body}`
  })
}

/** The lines of `message 1`, `message 2`, … */
export function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `${from + i} message ${from + i}`)
}

/** ws, and what comes by the WebSockets that are opened with it. */
export function seenSockets() {
  let last: WebSocket
  const seqs: number[] = []
  const seen: string[] = []
  const sights = new EventEmitter()
  function see(what: string) {
    seen.push(what)
    sights.emit('sight')
  }
  class SeenWebSocket extends WebSocket {
    constructor(url: string, protocols: string | string[]) {
      super(url, protocols)
      last = this
      see('begun')
      this.on('close', (code) => see(`closed ${code}`))
      this.on('message', (data) => {
        const { payload } = JSON.parse(String(data))
        if (payload?.errors) see(payload.errors[0].extensions.code)
        const event = payload?.data?.conversationEvents
        if (event?.__typename === 'MessageAddedEvent') seqs.push(event.message.seq)
      })
    }
  }
  return {
    webSocketImpl: SeenWebSocket,
    last: () => last,
    /** Waits until one was `begun` or `closed <code>`, or brought an error with this code, `times` in all. */
    async saw(what: string, times = 1) {
      while (seen.filter((each) => each === what).length < times) await once(sights, 'sight')
    },
    /** Of the MessageAddedEvents that came, by all sockets. */
    seqs: () => seqs,
  }
}
