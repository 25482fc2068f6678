import type { AddressInfo } from 'node:net'
import type { Bus } from './bus/bus.ts'
import { createMemoryBus } from './bus/memory.ts'
import { createRedisBus } from './bus/redis.ts'
import type { Config } from './config.ts'
import type { AppContext } from './context.ts'
import { type OnStatement, openDb } from './db/client.ts'
import { migrate } from './db/migrate.ts'
import { databaseUrlOf } from './db/url.ts'
import { createAudit } from './features/audit/service.ts'
import { ensureDemoConversation } from './features/demo/service.ts'
import { createSendBatches } from './features/messages/send-batches.ts'
import { rulesOf } from './features/messages/send-statement.ts'
import { createReadWriter } from './features/reads/writer.ts'
import { createTypingStarts } from './features/typing/service.ts'
import { createUserLeases } from './features/users/leases.ts'
import { createFindUser } from './features/users/service.ts'
import { wakeOnPublish } from './features/webhooks/wake.ts'
import { startWebhookWorker, type WebhookOverrides, type WebhookWorker } from './features/webhooks/worker.ts'
import { type Clock, systemClock } from './lib/clock.ts'
import { createLogger, type Logger } from './lib/log.ts'
import { createTurns } from './lib/turns.ts'
import type { Faults } from './live/faults.ts'
import { createHub } from './live/hub.ts'
import type { OnSubscribed } from './transport/execute.ts'
import { mintDemoTokens } from './transport/identity/demo-tokens.ts'
import { tokenSecret } from './transport/identity/development-key.ts'
import { createTransport } from './transport/transport.ts'

/** What a test may put in place of the real part. */
export interface Overrides {
  clock?: Clock
  log?: Logger
  /** Sees the text and the values of every statement that goes to the database. */
  onStatement?: OnStatement
  /** Called when a subscription is in effect: from then on it misses nothing. */
  onSubscribed?: OnSubscribed
  /** What of the delivery is switched off. */
  faults?: Faults
  /** Puts something between the bus and all that use it. */
  wrapBus?: (bus: Bus) => Bus
  /** What of the webhooks is another. */
  webhooks?: WebhookOverrides
}

export interface App {
  /**
   * Starts everything and resolves once requests are answered; `demoTokens` are those of DEMO_USERS, in development.
   * @throws ConfigError for a setting that can't be used, Error with one line for what can't be reached.
   */
  listen(): Promise<{ url: string; demoTokens: string[] | null }>
  /** Stops taking requests, ends what is open, and lets go of everything. May be called again, and before listen. */
  close(): Promise<void>
}

/** For each conversation: two, so that the next one waits at the lock already when the one before it is committed. */
const TURNS = { atOnce: 2, maxWaiting: 1_000, waitMs: 5_000 }

/** Puts the parts together: the only place that knows all of them. */
export function createApp(config: Config, overrides: Overrides = {}): App {
  const clock = overrides.clock ?? systemClock
  const log = overrides.log ?? createLogger(config.logLevel)
  /** What was started, the newest first: the order in which it is stopped. */
  const started: { close(): Promise<void> }[] = []
  let starting: ReturnType<App['listen']> | undefined
  let closing: Promise<void> | undefined

  /** Notes how a part is stopped as soon as it runs, so that a start that fails halfway leaves nothing behind. */
  function keep<Part>(part: Part, close: (part: Part) => Promise<void>): Part {
    started.unshift({ close: () => close(part) })
    return part
  }

  async function listen() {
    const secret = await tokenSecret(config)
    const { url } = keep(await databaseUrlOf(config, log), (it) => it.release())
    const applied = await migrate(url)
    if (applied.length > 0) log.info({ migrations: applied }, 'migrations applied')
    const { databasePoolSize: poolSize, busShards: shards } = config
    const db = keep(await openDb({ url, poolSize, log, onStatement: overrides.onStatement }), (it) => it.close())
    const ownBus = config.redisUrl ? createRedisBus({ url: config.redisUrl, log }) : createMemoryBus({ log })
    let worker: WebhookWorker | undefined
    const wakingBus = wakeOnPublish(ownBus, () => worker?.wake())
    const bus = keep(overrides.wrapBus?.(wakingBus) ?? wakingBus, (it) => it.close())
    const live = keep(createHub({ bus, db, shards, log, clock, faults: overrides.faults }), (it) => it.close())
    const findUser = createFindUser(db)
    const app: AppContext = {
      config,
      db,
      bus,
      live,
      findUser,
      userLeases: createUserLeases(findUser, clock),
      turns: createTurns(TURNS),
      sends: createSendBatches(db, { poolSize, rules: rulesOf(config) }),
      readWriter: createReadWriter(db, clock),
      audit: createAudit(db),
      typingStarts: createTypingStarts(),
      clock,
      log,
    }
    // Something to begin with, in a database that is nobody else's.
    if (config.environment === 'development' && !config.databaseUrl) await ensureDemoConversation(app)
    worker = keep(startWebhookWorker(app, overrides.webhooks), (it) => it.close())
    const transport = keep(createTransport(app, { ...config.tokens, secret }, overrides.onSubscribed), (it) =>
      it.close(),
    )
    const { port } = await transport.listen(config.host, config.port)
    const demoTokens =
      config.environment === 'development' && secret ? await mintDemoTokens(secret, config, clock) : null
    return { url: urlOf(config.host, port), demoTokens }
  }

  /** Stops what runs, once a start that is under way has come to its end. */
  async function close() {
    // Whoever called listen gets its error.
    await starting?.catch(() => {})
    await stopAll()
  }

  /** Each part, whatever becomes of the others: the database is the last of them. */
  async function stopAll() {
    for (const part of started.splice(0)) {
      await part.close().catch((err) => log.error({ err }, 'a part could not be stopped'))
    }
  }

  return {
    async listen() {
      starting = listen()
      try {
        return await starting
      } catch (error) {
        await stopAll()
        throw error
      }
    },
    close: () => (closing ??= close()),
  }
}

/** An address that a browser on this machine can open. */
function urlOf(host: string, port: AddressInfo['port']): string {
  const name =
    host === '0.0.0.0' || host === '::' || host === '127.0.0.1' ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return `http://${name}:${port}`
}
