import { type Scene, startScene } from '../features/support.ts'
import type { MessageAddedSubscription, MessageAddedSubscriptionVariables } from '../generated/graphql.ts'
import { startApp, type TestApp } from '../support/app.ts'
import { provideRedis, type TestRedis } from '../support/redis.ts'
import type { Stream } from '../support/stream.ts'

/** Two nodes on one database, with one Redis between them: any, or one that the test does what it likes with. */
export interface Nodes {
  redisUrl: string
  here: Scene
  there: TestApp
  close(): Promise<void>
}

export async function startNodes(ownRedis?: TestRedis): Promise<Nodes> {
  const redis = ownRedis ?? (await provideRedis())
  const env = { REDIS_URL: redis.url }
  const here = await startScene({ env })
  const there = await startApp({ databaseUrl: here.databaseUrl, env })
  return {
    redisUrl: redis.url,
    here,
    there,
    async close() {
      await there.close()
      await here.close()
      await redis.stop()
    },
  }
}

export const wholeInbox: MessageAddedSubscriptionVariables = {}

/** The next messages of a stream. */
export async function take(stream: Stream<MessageAddedSubscription>, count: number) {
  const messages: MessageAddedSubscription['messageAdded'][] = []
  while (messages.length < count) messages.push((await stream.next()).messageAdded)
  return messages
}
