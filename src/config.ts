import { z } from 'zod'

// The environment is read here and nowhere else. Each setting is one row: its meaning with default and unit, which
// --help prints and README.md repeats, and how its text is parsed.

const flag = z.enum(['on', 'off'], { error: 'must be on or off' }).transform((value) => value === 'on')
const integer = (from: number, to: number) => {
  const error = `must be a whole number from ${from} to ${to}`
  return z
    .string()
    .regex(/^\d{1,10}$/, { error })
    .transform(Number)
    .refine((value) => value >= from && value <= to, { error })
}
const url = (protocols: string[], example: string) => {
  const error = `must be a URL such as ${example}`
  return z.string().refine((value) => URL.canParse(value) && protocols.includes(new URL(value).protocol), { error })
}
const isOrigin = (text: string) => URL.canParse(text) && new URL(text).origin === text

const shape = {
  HOST: z.string().default('127.0.0.1').describe('Address to listen on; 0.0.0.0 for all. Default 127.0.0.1.'),
  PORT: integer(0, 65_535).default(4000).describe('TCP port to listen on; 0 picks a free one. Default 4000.'),
  DATABASE_URL: url(['postgres:', 'postgresql:'], 'postgresql://user:password@host:5432/parley')
    .optional()
    .describe('PostgreSQL 15 or later. Default: an embedded PostgreSQL 18 with its data in DATA_DIR.'),
  DATABASE_POOL_SIZE: integer(2, 1000).default(10).describe('Connections to PostgreSQL, at most. Default 10.'),
  REDIS_URL: url(['redis:', 'rediss:'], 'redis://host:6379')
    .optional()
    .describe('Redis or Valkey, which carries events between nodes. Default: none, events stay in this process.'),
  BUS_SHARDS: integer(1, 65_536)
    .default(1024)
    .describe('Topics that conversations are spread over; the same on all nodes. Default 1024.'),
  DATA_DIR: z
    .string()
    .min(1, { error: 'must not be empty' })
    .default('data')
    .describe("Folder for the embedded PostgreSQL and the development key. Default 'data'."),
  JWT_SECRET: z
    .string()
    .refine((value) => Buffer.byteLength(value) >= 32, { error: 'must have at least 32 bytes' })
    .optional()
    .describe('Key of HS256 tokens, at least 32 bytes. Default in development: one made up and kept in DATA_DIR.'),
  JWT_JWKS_URL: url(['https:', 'http:'], 'https://app.example/.well-known/jwks.json')
    .optional()
    .describe('Where the public keys of RS, PS, ES and EdDSA tokens are. Default: none.'),
  JWT_ISSUER: z.string().optional().describe("What a token's iss must be. Default: not checked."),
  JWT_AUDIENCE: z.string().optional().describe("What a token's aud must hold. Default: not checked."),
  CORS_ORIGINS: z
    .string()
    .transform((value) =>
      value
        .split(',')
        .map((origin) => origin.trim())
        .filter(Boolean),
    )
    .refine((origins) => origins.every(isOrigin), {
      error: 'must be origins such as https://app.example, with commas between',
    })
    .default([])
    .describe(
      'Origins of the pages that may call, with commas between. Default: none; in development any of localhost.',
    ),
  TRUST_PROXY: integer(0, 10)
    .default(0)
    .describe('Proxies in front that add to X-Forwarded-For: how many of its last entries to believe. Default 0.'),
  DIRECT_MESSAGES: z
    .enum(['open', 'contacts'], { error: 'must be open or contacts' })
    .default('open')
    .describe(
      'Who may write to whom directly: open, everybody; contacts, those whose contact was accepted. Default open.',
    ),
  WEBHOOK_ALLOW_PRIVATE: flag
    .default(false)
    .describe('on or off: webhooks to http and to private addresses, for development. Default off.'),
  RATE_LIMIT: integer(0, 1_000_000)
    .default(1200)
    .describe('Mutation fields that a user may call in a minute; 0 for no limit. Default 1200.'),
  MAX_UNAUTHENTICATED_SOCKETS: integer(1, 1_000_000)
    .default(100)
    .describe('WebSockets of one address that have not shown a token yet. Default 100.'),
  DRAIN_SECONDS: integer(0, 15)
    .optional()
    .describe('Seconds over which clients are sent to other nodes before a stop, 0 to 15. Default 0; 5 in production.'),
  GRAPHIQL: flag
    .optional()
    .describe('on or off: the GraphiQL page, introspection and suggestions. Default on; off in production.'),
  NODE_ENV: z
    .enum(['development', 'production', 'test'], { error: 'must be development, production or test' })
    .default('development')
    .describe('development, production or test. Default development.'),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      error: 'must be trace, debug, info, warn, error, fatal or silent',
    })
    .default('info')
    .describe('Least severe level to log: trace, debug, info, warn, error, fatal or silent. Default info.'),
}

const schema = z.object(shape)
type Settings = z.infer<typeof schema>

/** Everything that can be set, parsed. */
export interface Config {
  host: string
  port: number
  databaseUrl: string | undefined
  databasePoolSize: number
  redisUrl: string | undefined
  busShards: number
  dataDir: string
  tokens: {
    secret: string | undefined
    jwksUrl: string | undefined
    issuer: string | undefined
    audience: string | undefined
  }
  corsOrigins: string[]
  trustProxy: number
  directMessages: Settings['DIRECT_MESSAGES']
  webhookAllowPrivate: boolean
  rateLimit: number
  maxUnauthenticatedSockets: number
  drainSeconds: number
  graphiql: boolean
  environment: Settings['NODE_ENV']
  logLevel: string
}

/** A setting that can't be used; the message is one line that names it. */
export class ConfigError extends Error {}

/** Name and meaning of each setting, in the order in which they are documented. */
export const settingDocs: { name: string; doc: string }[] = Object.entries(shape).map(([name, type]) => ({
  name,
  doc: type.description ?? '',
}))

/**
 * The configuration that an environment describes; empty values count as left out.
 * @throws ConfigError naming the first setting that is wrong.
 */
export function parseConfig(env: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(Object.keys(shape).flatMap((name) => (env[name] ? [[name, env[name]]] : [])))
  const parsed = schema.safeParse(given)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    throw new ConfigError(`${String(issue.path[0])} ${issue.message}.`)
  }
  const settings = parsed.data
  const production = settings.NODE_ENV === 'production'
  if (production && !settings.JWT_SECRET && !settings.JWT_JWKS_URL) {
    throw new ConfigError('JWT_SECRET or JWT_JWKS_URL must be set in production: tokens could not be checked.')
  }
  return {
    host: settings.HOST,
    port: settings.PORT,
    databaseUrl: settings.DATABASE_URL,
    databasePoolSize: settings.DATABASE_POOL_SIZE,
    redisUrl: settings.REDIS_URL,
    busShards: settings.BUS_SHARDS,
    dataDir: settings.DATA_DIR,
    tokens: {
      secret: settings.JWT_SECRET,
      jwksUrl: settings.JWT_JWKS_URL,
      issuer: settings.JWT_ISSUER,
      audience: settings.JWT_AUDIENCE,
    },
    corsOrigins: settings.CORS_ORIGINS,
    trustProxy: settings.TRUST_PROXY,
    directMessages: settings.DIRECT_MESSAGES,
    webhookAllowPrivate: settings.WEBHOOK_ALLOW_PRIVATE,
    rateLimit: settings.RATE_LIMIT,
    maxUnauthenticatedSockets: settings.MAX_UNAUTHENTICATED_SOCKETS,
    drainSeconds: settings.DRAIN_SECONDS ?? (production ? 5 : 0),
    graphiql: settings.GRAPHIQL ?? !production,
    environment: settings.NODE_ENV,
    logLevel: settings.LOG_LEVEL,
  }
}

/** The environment of this process; what it lacks is taken from a .env file in the working directory, if there is one. */
export function readEnv(): Record<string, string | undefined> {
  try {
    process.loadEnvFile()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw new ConfigError(`.env can't be read: ${(error as Error).message}`)
  }
  return process.env
}

/** Whether the stack of an error that ends the process is asked for, which may be before there is a configuration. */
export function wantsStacks(): boolean {
  return ['debug', 'trace'].includes(process.env.LOG_LEVEL ?? '')
}
