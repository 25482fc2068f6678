import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AppContext } from '../../context.ts'
import { demoOperations, OPERATIONS_WITHOUT_TOKEN } from '../../features/demo/operations.ts'
import { ensureDemoConversation } from '../../features/demo/service.ts'
import { DEMO_USERS, type DemoUser } from '../../features/demo/users.ts'
import { mintDemoToken } from '../identity/demo-tokens.ts'
import { isLoopbackHost } from '../origins.ts'
import { type GraphiqlOptions, graphiqlHtml } from './graphiql-html.ts'

/** Answers with the GraphiQL page. */
export type GraphiqlPage = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** Whether a request is a browser's that wants a page, not a client's that wants a result. */
export function wantsPage({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && (headers.accept?.includes('text/html') ?? false)
}

/**
 * The GraphiQL page; null where it is switched off. In development ?as=ada and ?as=bo open it as one of DEMO_USERS,
 * with a token signed by `secret`; elsewhere, under a foreign name, and without a secret, one puts in a token of one's own.
 */
export function createGraphiqlPage(app: AppContext, secret: string | undefined): GraphiqlPage | null {
  const { config, clock, log } = app
  if (!config.graphiql) return null

  async function optionsFor(request: IncomingMessage): Promise<GraphiqlOptions> {
    if (config.environment !== 'development' || secret === undefined) return WITHOUT_TOKEN
    if (!isLoopbackHost(request.headers.host)) return WITHOUT_TOKEN
    const as = new URL(request.url ?? '', 'http://localhost').searchParams.get('as')
    const user = DEMO_USERS.find(({ sub }) => sub === as) ?? DEMO_USERS[0]
    const [token, conversationId] = await Promise.all([
      mintDemoToken(user, secret, config, clock),
      ensureDemoConversation(app),
    ])
    return demoOptions(user, token, conversationId)
  }

  return async (request, response) => {
    try {
      const options = await optionsFor(request)
      const nonce = randomBytes(16).toString('base64')
      const html = await graphiqlHtml(options, nonce)
      response.writeHead(200, pageHeaders(nonce)).end(html)
    } catch (err) {
      log.error({ err }, 'the GraphiQL page could not be made')
      response.writeHead(503, { 'content-type': 'text/plain' }).end('GraphiQL is not available. Try again.\n')
    }
  }
}

const WITHOUT_TOKEN: GraphiqlOptions = {
  title: 'Parley',
  banner: 'Parley',
  storageKey: 'parley',
  headers: { authorization: 'Bearer YOUR_TOKEN' },
  showHeaders: true,
  operations: [OPERATIONS_WITHOUT_TOKEN],
}

function demoOptions(user: DemoUser, token: string, conversationId: string): GraphiqlOptions {
  const other = DEMO_USERS.find(({ sub }) => sub !== user.sub)!
  return {
    title: `${user.name} · Parley`,
    banner: `${user.name} · <a href="?as=${other.sub}" target="_blank">${other.name} ↗</a>`,
    // Edits of examples that name a conversation are of no use once the database is another one.
    storageKey: `parley ${user.sub} ${conversationId}`,
    headers: { authorization: `Bearer ${token}` },
    showHeaders: false,
    operations: demoOperations(user, conversationId),
  }
}

/** The page may run its own script only, may reach this server only, and may not be framed; its address tells nothing. */
function pageHeaders(nonce: string): Record<string, string> {
  return {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': [
      "default-src 'none'",
      `script-src 'nonce-${nonce}'`,
      "style-src 'unsafe-inline'",
      'font-src data:',
      'img-src data:',
      'worker-src blob:',
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  }
}
