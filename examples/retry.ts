// Trying again: ever less often, and at random, so that not all clients come at once.

/** Milliseconds until the next attempt: at most 1 s after the first failure, and 30 s after many. */
export const backoff = (failures: number) => Math.random() * Math.min(30_000, 1_000 * 2 ** failures)

export const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

type Errors = readonly { extensions?: Record<string, unknown> | undefined }[]

/** Whether the server says that the same will work later. */
export const isUnavailable = (errors: Errors = []) =>
  errors.some(({ extensions }) => extensions?.code === 'UNAVAILABLE')

/**
 * Makes a request until it is answered. `errorsIn` gives the GraphQL errors of what it throws; where there are none, the
 * network is at fault. Throws what trying again can't help, and anything once `signal` is aborted.
 */
export async function retried<Result>(
  request: () => Promise<Result>,
  errorsIn: (error: unknown) => Errors,
  signal?: AbortSignal,
): Promise<Result> {
  for (let failures = 0; ; failures++) {
    try {
      return await request()
    } catch (error) {
      const errors = errorsIn(error)
      if (signal?.aborted || (errors.length > 0 && !isUnavailable(errors))) throw error
    }
    await wait(backoff(failures))
  }
}
