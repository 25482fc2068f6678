import { createApp } from '../app.ts'
import type { Config } from '../config.ts'
import { DEMO_USERS } from '../features/demo/users.ts'
import { keepRequestsYoung } from '../lib/heap.ts'

/**
 * Serves until SIGTERM or SIGINT, then sends clients to other nodes, answers what is under way and lets the process end
 * by itself, within 30 s whatever clients do. A second signal ends it at once.
 */
export async function start(config: Config): Promise<void> {
  keepRequestsYoung()
  const app = createApp(config)
  let stopping = false
  const stop = () => {
    if (stopping) process.exit(1)
    stopping = true
    void app.close()
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  const { url, demoTokens } = await app.listen()
  process.stdout.write(demoTokens ? welcome(url, demoTokens, config.graphiql) : `Parley listens at ${url}/graphql\n`)
}

function welcome(url: string, demoTokens: string[], graphiql: boolean): string {
  const [ada, bo] = DEMO_USERS
  const steps = `To see a message arrive, open these side by side:

  1. Press play as ${bo.name}    ${url}/graphql?as=${bo.sub}
  2. Press play as ${ada.name}  ${url}/graphql?as=${ada.sub}

`
  // Each on a line of its own, without an indent, so that copying the line copies nothing else.
  const tokens = DEMO_USERS.map(({ name }, index) => `${name}:\n${demoTokens[index]}\n`)
  return `
Parley is running at ${url}/graphql

${graphiql ? steps : ''}For a client of your own, tokens to send as authorization: Bearer TOKEN

${tokens.join('\n')}
Ctrl-C ends it.

`
}
