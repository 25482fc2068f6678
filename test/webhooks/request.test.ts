import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { createPoster, type Poster } from '../../src/features/webhooks/request.ts'

// Receivers that break off or answer as no web server should, written byte by byte.

let server: Server
let poster: Poster
const sockets = new Set<Socket>()
afterEach(() => {
  poster.abort()
  for (const socket of sockets) socket.destroy()
  server.close()
})

/** A receiver that does this with each request, the first of which has the number 1. Gives back how to post to it. */
async function receiver(answer: (socket: Socket, number: number) => void) {
  let requests = 0
  server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', () => answer(socket, ++requests))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  poster = createPoster({ allowPrivate: true })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return { post: () => poster.post({ url, headers: {}, body: '{}' }), requests: () => requests }
}

const head = (length: number) => `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`

test('one that speaks another protocol is told to have failed', async () => {
  const { post } = await receiver((socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n')
  })
  expect(await post()).toMatchObject({ httpStatus: 101, error: 'The receiver answered 101.' })
})

test('one that answers and then breaks off has answered: the request is not made again', async () => {
  const { post, requests } = await receiver((socket, number) => {
    if (number === 1) return socket.write(head(0))
    socket.write(`${head(100)}abc`, () => socket.resetAndDestroy())
  })
  expect(await post()).toMatchObject({ httpStatus: 200, error: null })
  expect(await post()).toMatchObject({ httpStatus: 200, error: null })
  // Over a connection of its own; a second one of the request before would come first.
  expect(await post()).toMatchObject({ httpStatus: 200, error: null })
  expect(requests()).toBe(3)
})
