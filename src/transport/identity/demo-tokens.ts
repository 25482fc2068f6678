import type { Config } from '../../config.ts'
import { DEMO_USERS, type DemoUser } from '../../features/demo/users.ts'
import type { Clock } from '../../lib/clock.ts'
import { mintToken } from '../../lib/token.ts'

const EXPIRES_IN_SECONDS = 30 * 24 * 60 * 60

/** A token for each of DEMO_USERS, as mintDemoToken makes it. */
export function mintDemoTokens(secret: string, config: Config, clock: Clock): Promise<string[]> {
  return Promise.all(DEMO_USERS.map((user) => mintDemoToken(user, secret, config, clock)))
}

/** A demo user's token, valid for 30 days. For development only: whoever sees it is that user. */
export function mintDemoToken(user: DemoUser, secret: string, { tokens }: Config, clock: Clock): Promise<string> {
  return mintToken({
    secret,
    ...user,
    ...(tokens.issuer !== undefined && { issuer: tokens.issuer }),
    ...(tokens.audience !== undefined && { audience: tokens.audience }),
    expiresInSeconds: EXPIRES_IN_SECONDS,
    now: clock.now(),
  })
}
