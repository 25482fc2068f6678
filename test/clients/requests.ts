import { onTestFinished } from 'vitest'

// What the clients send by fetch, seen and kept back on its way.

/** The answer to a request, kept back as by a slow network: the server has done what was asked. */
export interface HeldAnswer {
  /** Resolves once the server has answered. */
  arrived: Promise<void>
  release(): void
  /** Breaks the connection off instead. */
  lose(): void
}

/** Keeps back the answers to requests whose body holds `text`, until they are released or lost. */
export function holdAnswer(text: string): HeldAnswer {
  const direct = globalThis.fetch
  let decide!: (fate: 'released' | 'lost') => void
  const decided = new Promise<'released' | 'lost'>((resolve) => {
    decide = resolve
  })
  const arrived = new Promise<void>((resolve) => {
    globalThis.fetch = async (input, init) => {
      const response = await direct(input, init)
      if (!holds(init, text)) return response
      resolve()
      if ((await decided) === 'lost') throw new TypeError('fetch failed')
      return response
    }
  })
  function end(fate: 'released' | 'lost') {
    globalThis.fetch = direct
    decide(fate)
  }
  onTestFinished(() => end('released'))
  return { arrived, release: () => end('released'), lose: () => end('lost') }
}

/** Keeps back requests whose body holds `text`, until they are released. */
export function holdRequests(text: string): () => void {
  const direct = globalThis.fetch
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  globalThis.fetch = async (input, init) => {
    if (holds(init, text)) await released
    return direct(input, init)
  }
  onTestFinished(() => {
    globalThis.fetch = direct
    release()
  })
  return release
}

/** Counts the requests whose body holds `text`, from now on. */
export function countRequests(text: string): () => number {
  const direct = globalThis.fetch
  let count = 0
  globalThis.fetch = (input, init) => {
    if (holds(init, text)) count++
    return direct(input, init)
  }
  onTestFinished(() => {
    globalThis.fetch = direct
  })
  return () => count
}

/** Resolves once a request was answered with UNAVAILABLE. */
export function sawUnavailable(): Promise<void> {
  const direct = globalThis.fetch
  onTestFinished(() => {
    globalThis.fetch = direct
  })
  return new Promise((resolve) => {
    globalThis.fetch = async (input, init) => {
      const response = await direct(input, init)
      if ((await response.clone().text()).includes('UNAVAILABLE')) resolve()
      return response
    }
  })
}

const holds = (init: RequestInit | undefined, text: string) =>
  typeof init?.body === 'string' && init.body.includes(text)
