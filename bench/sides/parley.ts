import type * as app from '../../src/app.ts'
import type { Bus } from '../../src/bus/bus.ts'
import type * as topics from '../../src/bus/topics.ts'
import type * as config from '../../src/config.ts'
import type * as heap from '../../src/lib/heap.ts'
import { loadBuilt } from '../chat/built.ts'
import { benchArgs } from '../harness/protocol.ts'
import { answerFanOut, type FanOutArgs } from './publisher.ts'
import { bodyOf, FIRST_VERSION, roomUuid, SECRET, SENDER_PROFILE } from './room.ts'

// Parley as it is built and run in production. What is published is the event that a sent message is announced by, so
// that here as with the peers it is the delivery that is measured and not the storing.

const { createApp } = (await loadBuilt('app')) as typeof app
const { parseConfig } = (await loadBuilt('config')) as typeof config
const { keepRequestsYoung } = (await loadBuilt('lib/heap')) as typeof heap
const { conversationTopic } = (await loadBuilt('bus/topics')) as typeof topics

keepRequestsYoung()
const { redisUrl, databaseUrl, bodyBytes } = benchArgs<FanOutArgs>()
const settings = parseConfig({
  NODE_ENV: 'production',
  PORT: '0',
  DATABASE_URL: databaseUrl,
  REDIS_URL: redisUrl,
  JWT_SECRET: SECRET,
  RATE_LIMIT: '0',
  // All clients come from one address here.
  MAX_UNAUTHENTICATED_SOCKETS: '1000000',
  LOG_LEVEL: 'warn',
})
let bus: Bus | undefined
let subscribed = 0
let statements = 0
const { url } = await createApp(settings, {
  onSubscribed: () => void subscribed++,
  onStatement: () => void statements++,
  wrapBus: (it) => (bus = it),
}).listen()

answerFanOut(
  `${url}/graphql`,
  {
    subscribed: () => subscribed,
    publish(room, seq) {
      const conversationId = roomUuid(room)
      const version = FIRST_VERSION + seq
      bus!.publish(conversationTopic(conversationId, settings.busShards), {
        type: 'message',
        key: conversationId,
        version,
        seq,
        message: {
          conversationId,
          seq,
          version,
          senderId: SENDER_PROFILE.id,
          sender: SENDER_PROFILE,
          kind: 'TEXT',
          body: bodyOf(seq, bodyBytes),
          metadata: {},
          replyToSeq: null,
          subjectId: null,
          idempotencyKey: null,
          createdAt: new Date().toISOString(),
          editedAt: null,
          deletedAt: null,
        },
      })
    },
  },
  { statements: () => statements },
)
