import type * as app from '../../src/app.ts'
import type * as config from '../../src/config.ts'
import type * as heap from '../../src/lib/heap.ts'
import { loadBuilt } from '../chat/built.ts'
import type { ChatArgs } from '../chat/prisma.ts'
import { SECRET } from '../chat/tokens.ts'
import { answerBench, benchArgs } from '../harness/protocol.ts'

// Parley as it is run in production, but for the limit on what one user may send.

const { createApp } = (await loadBuilt('app')) as typeof app
const { parseConfig } = (await loadBuilt('config')) as typeof config
const { keepRequestsYoung } = (await loadBuilt('lib/heap')) as typeof heap

keepRequestsYoung()
const { databaseUrl } = benchArgs<ChatArgs>()
const settings = parseConfig({
  NODE_ENV: 'production',
  PORT: '0',
  LOG_LEVEL: 'warn',
  RATE_LIMIT: '0',
  JWT_SECRET: SECRET,
  DATABASE_URL: databaseUrl,
})
const { url } = await createApp(settings).listen()
answerBench(`${url}/graphql`)
