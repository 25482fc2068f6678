import { QUERY, roomId, type SentMessage } from '../sides/room.ts'

// How a client speaks to a side, from the upgrade to the first message.

export interface Dialect {
  /** Headers of the upgrade beside those of every WebSocket. */
  headers: string[]
  /** What is sent once the connection is open, if the client speaks first. */
  first(token: string): string | null
  /** What is sent back to a message before the subscription, and whether it was that. */
  answer(text: string, token: string, room: number, id: string): { text: string; subscribed: boolean } | null
  /** What is sent back to a message that is no event. */
  reply(text: string): string | null
  /** The message of an event; null where it is none. */
  messageOf(text: string, id: string): SentMessage | null
  /** Whether each socket's events carry its own id. */
  hasIds: boolean
}

const subscribe = (id: string, room: number) =>
  JSON.stringify({ id, type: 'subscribe', payload: { query: QUERY, variables: { conversationId: roomId(room) } } })

const graphqlWs: Dialect = {
  headers: ['Sec-WebSocket-Protocol: graphql-transport-ws'],
  first: (token) => JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }),
  answer: (text, _token, room, id) =>
    text.includes('connection_ack') ? { text: subscribe(id, room), subscribed: true } : null,
  reply: (text) => (text.includes('"type":"ping"') ? '{"type":"pong"}' : null),
  messageOf(text, id) {
    const message = JSON.parse(text)
    if (message.type !== 'next') return null
    if (message.id !== id) throw new Error(`an event came for the id ${message.id}`)
    if (message.payload.errors) throw new Error(text)
    return message.payload.data.messageAdded
  },
  hasIds: true,
}

export const DIALECTS: Record<string, Dialect> = {
  'graphql-ws': graphqlWs,
  /** The raw loops, which send all sockets the same bytes. */
  raw: {
    ...graphqlWs,
    messageOf: (text) => graphqlWs.messageOf(text, '00000000-0000-4000-8000-000000000000'),
    hasIds: false,
  },
  'socket.io': {
    headers: [],
    first: () => null,
    answer(text, token, room) {
      if (text.startsWith('0')) return { text: `40${JSON.stringify({ authorization: token })}`, subscribed: false }
      if (text.startsWith('40')) return { text: `42${JSON.stringify(['subscribe', roomId(room)])}`, subscribed: true }
      return null
    },
    reply: (text) => (text === '2' ? '3' : null),
    messageOf: (text) => (text.startsWith('42["messageAdded"') ? JSON.parse(text.slice(2))[1] : null),
    hasIds: false,
  },
}
