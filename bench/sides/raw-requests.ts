import http from 'node:http'
import { WebSocketServer } from 'ws'
import { viewerOf } from '../chat/tokens.ts'
import { answerBench } from '../harness/protocol.ts'
import { listen } from './listen.ts'

// What is left of a request without GraphQL: the token, JSON in, JSON out.

const DATA = { data: { __typename: 'Mutation' } }

const server = http.createServer(async (request, response) => {
  viewerOf(request.headers.authorization)
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  const { query } = JSON.parse(body) as { query: string }
  if (!query) return response.writeHead(400).end()
  const text = JSON.stringify(DATA)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text)
})

const sockets = new WebSocketServer({ server, path: '/graphql', handleProtocols: () => 'graphql-transport-ws' })
sockets.on('connection', (socket) => {
  socket.on('message', (data) => {
    const { id, type, payload } = JSON.parse(String(data))
    if (type === 'connection_init') {
      viewerOf(payload.authorization)
      socket.send('{"type":"connection_ack"}')
    } else if (type === 'subscribe') {
      socket.send(JSON.stringify({ id, type: 'next', payload: DATA }))
      socket.send(JSON.stringify({ id, type: 'complete' }))
    }
  })
})
answerBench(await listen(server))
