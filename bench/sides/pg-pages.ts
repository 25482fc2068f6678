import http from 'node:http'
import pg from 'pg'
import type { ChatArgs } from '../chat/prisma.ts'
import { CONNECTIONS } from '../chat/prisma.ts'
import { viewerOf } from '../chat/tokens.ts'
import { answerBench, benchArgs } from '../harness/protocol.ts'
import { listen } from './listen.ts'

// The same answers without GraphQL: prepared statements of pg behind node:http, the rows put into shape by hand.

const { databaseUrl } = benchArgs<ChatArgs>()
const pool = new pg.Pool({ connectionString: databaseUrl, max: CONNECTIONS })

const MESSAGE = `m.conversation_id, m.seq, m.kind, m.body, m.created_at,
  u.id AS sender_id, u.display_name, u.avatar_url`

const PAGE = `
  SELECT ${MESSAGE} FROM messages m JOIN users u ON u.id = m.sender_id
   WHERE m.conversation_id = $1 AND m.seq < $2
     AND EXISTS (SELECT FROM participants p WHERE p.conversation_id = $1 AND p.user_id = $3 AND p.left_at IS NULL)
   ORDER BY m.seq DESC LIMIT 51`

const LIST = `
  SELECT c.title, c.last_seq, c.last_message_at, c.kind AS conversation_kind, p.last_read_seq, ${MESSAGE}
    FROM participants p JOIN conversations c ON c.id = p.conversation_id
    JOIN messages m ON m.conversation_id = c.id AND m.seq = c.last_seq JOIN users u ON u.id = m.sender_id
   WHERE p.user_id = $1 AND p.left_at IS NULL AND p.archived_seq IS NULL AND c.deleted_at IS NULL
   ORDER BY p.is_pinned DESC, c.activity_at DESC, c.id DESC LIMIT 51`

const MAX_SEQ = 2 ** 31 - 1

const server = http.createServer(async (request, response) => {
  const viewer = viewerOf(request.headers.authorization)
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  const { query, variables } = JSON.parse(body) as { query: string; variables: { id: string; before?: string } }
  const data = query.startsWith('query Page') ? await page(variables, viewer.id) : await list(viewer.id)
  const text = JSON.stringify({ data })
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text)
})
answerBench(await listen(server))

async function page({ id, before }: { id: string; before?: string }, viewer: string) {
  const { rows } = await pool.query({ name: 'page', text: PAGE, values: [id, before ?? MAX_SEQ, viewer] })
  const edges = rows
    .slice(0, 50)
    .reverse()
    .map((row) => ({ cursor: String(row.seq), node: messageOf(row) }))
  const pageInfo = { hasPreviousPage: rows.length > 50, startCursor: edges[0]?.cursor }
  return { conversation: { id, messages: { edges, pageInfo } } }
}

async function list(viewer: string) {
  const { rows } = await pool.query({ name: 'list', text: LIST, values: [viewer] })
  const edges = rows.slice(0, 50).map((row) => ({
    cursor: row.conversation_id,
    node: {
      id: row.conversation_id,
      kind: row.conversation_kind,
      title: row.title,
      lastSeq: row.last_seq,
      lastMessageAt: row.last_message_at,
      lastMessage: messageOf(row),
      viewerState: { lastReadSeq: row.last_read_seq, unreadCount: row.last_seq - row.last_read_seq },
    },
  }))
  return { conversations: { edges, pageInfo: { hasNextPage: rows.length > 50, endCursor: edges.at(-1)?.cursor } } }
}

function messageOf(row: Record<string, unknown>) {
  return {
    id: `${row.conversation_id}:${row.seq}`,
    seq: row.seq,
    kind: row.kind,
    body: row.body,
    createdAt: row.created_at,
    sender: { id: row.sender_id, displayName: row.display_name, avatarUrl: row.avatar_url },
  }
}
