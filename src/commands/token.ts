import { parseArgs } from 'node:util'
import { type Config, ConfigError } from '../config.ts'
import { mintToken } from '../lib/token.ts'
import { tokenSecret } from '../transport/identity/development-key.ts'

export const DAY_SECONDS = 24 * 60 * 60

/** Prints a token of this user, signed with the key that the server here uses. @throws ConfigError where it has none. */
export async function printToken(config: Config, args: string[]): Promise<void> {
  const { positionals, values } = parseArgs({
    args,
    allowPositionals: true,
    options: { name: { type: 'string' }, service: { type: 'boolean' }, 'expires-in': { type: 'string' } },
  })
  const [sub, ...rest] = positionals
  if (!sub || rest.length > 0) throw new ConfigError('token takes one EXTERNAL_ID: parley token ada')
  const expiresInSeconds = Number(values['expires-in'] ?? DAY_SECONDS)
  if (!Number.isInteger(expiresInSeconds) || expiresInSeconds < 1) {
    throw new ConfigError('--expires-in must be a whole number of seconds, at least 1.')
  }
  const secret = await tokenSecret(config)
  if (secret === undefined) throw new ConfigError('JWT_SECRET must be set: tokens are signed with it.')
  const { issuer, audience } = config.tokens
  const token = await mintToken({
    secret,
    sub,
    ...(values.name !== undefined && { name: values.name }),
    ...(values.service && { scope: 'service' }),
    ...(issuer !== undefined && { issuer }),
    ...(audience !== undefined && { audience }),
    expiresInSeconds,
    now: Date.now(),
  })
  process.stdout.write(`${token}\n`)
}
