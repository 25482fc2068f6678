import type { Topic } from '../bus/topics.ts'

/** The topics that this node listens to, each as long as somebody is interested in it, and a while longer. */
export interface Topics {
  /** Resolves once what is published from then on will come. */
  listen(topic: Topic): Promise<void>
  /** Takes one interest back. */
  unlisten(topic: Topic): void
  close(): Promise<void>
}

/** How long a topic is listened to after the last one left, as people come back. */
const LINGER_MS = 30_000

/** `subscribe` begins to listen, and gives back how to stop. */
export function createTopics(subscribe: (topic: Topic) => Promise<() => Promise<void>>): Topics {
  const listening = new Map<Topic, { stop: Promise<() => Promise<void>>; interests: number; linger?: NodeJS.Timeout }>()
  return {
    async listen(topic) {
      let entry = listening.get(topic)
      if (!entry) {
        entry = { stop: subscribe(topic), interests: 0 }
        listening.set(topic, entry)
      }
      clearTimeout(entry.linger)
      entry.interests++
      await entry.stop
    },
    unlisten(topic) {
      const entry = listening.get(topic)
      if (!entry || --entry.interests > 0) return
      entry.linger = setTimeout(async () => {
        listening.delete(topic)
        const stop = await entry.stop
        await stop()
      }, LINGER_MS).unref()
    },
    async close() {
      for (const { linger, stop } of listening.values()) {
        clearTimeout(linger)
        await (await stop)()
      }
      listening.clear()
    },
  }
}
