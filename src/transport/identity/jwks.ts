import { createRemoteJWKSet, errors, type JWTVerifyGetKey } from 'jose'
import type { Clock } from '../../lib/clock.ts'
import { UnauthenticatedError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'

const TIMEOUT_MS = 3_000
/** An unknown key makes the set load again, but not within this time of the last load… */
const COOLDOWN_MS = 30_000
/** …or of the last try, if that failed. */
const RETRY_MS = 5_000
/** On use, a set older than this is loaded again in the background: so a withdrawn key stops working. */
const REFRESH_MS = 10 * 60_000

/**
 * The public keys at `url` (a JSON Web Key Set), as a key function for jose. They are loaded on first use and kept:
 * a key that was loaded once goes on working while the URL doesn't answer.
 *
 * The function throws UnauthenticatedError if no keys could be loaded yet, jose's JWKSNoMatchingKey for an unknown
 * key, and answers within 3 s.
 */
export function createKeySet(url: string, { clock, log }: { clock: Clock; log: Logger }): JWTVerifyGetKey {
  // jose fetches and selects. It is told never to reload by itself, because it would on every token while the URL fails.
  const remote = createRemoteJWKSet(new URL(url), {
    timeoutDuration: TIMEOUT_MS,
    cacheMaxAge: Number.POSITIVE_INFINITY,
    cooldownDuration: Number.POSITIVE_INFINITY,
  })
  let loaded = false
  let triedAt = Number.NEGATIVE_INFINITY
  let pauseMs = 0
  let loading: Promise<void> | undefined

  /** Loads the keys, unless that was tried less than `pause` ms ago; joins a load under way. Never rejects. */
  function load(pause: number): Promise<void> {
    // Either way, so that a clock that was set back doesn't hold up the next load.
    if (!loading && Math.abs(clock.now() - triedAt) >= pause) {
      triedAt = clock.now()
      loading = loadNow()
    }
    return loading ?? Promise.resolve()
  }

  async function loadNow() {
    try {
      await remote.reload()
      loaded = true
      pauseMs = COOLDOWN_MS
    } catch (err) {
      pauseMs = RETRY_MS
      log.warn({ err, keysKept: loaded }, 'the JSON Web Key Set could not be loaded')
    } finally {
      loading = undefined
    }
  }

  return async (header, token) => {
    if (loaded) {
      void load(REFRESH_MS)
      try {
        return await remote(header, token)
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      }
    }
    await load(pauseMs)
    if (!loaded) throw new UnauthenticatedError("The token cannot be checked: its issuer's keys could not be loaded")
    return remote(header, token)
  }
}
