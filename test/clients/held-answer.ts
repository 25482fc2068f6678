import { onTestFinished } from 'vitest'

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
      if (typeof init?.body !== 'string' || !init.body.includes(text)) return response
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
