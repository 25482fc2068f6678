import { settingDocs } from '../config.ts'
import { DEFAULT_SIZES, MIN_SEED_USERS } from '../features/demo/seed.ts'
import { DAY_SECONDS } from './token.ts'

/** The text of --help. */
export function helpText(): string {
  const width = Math.max(...settingDocs.map(({ name }) => name.length))
  const settings = settingDocs.map(({ name, doc }) => `  ${name.padEnd(width)}  ${doc}`)
  return `Parley, a conversation server.

Usage: parley [start]            starts the server (npm start)
       parley migrate            applies the migrations and ends (npm run migrate)
       parley seed               fills the database with demo data, the same each time (npm run seed)
           --users N             default ${DEFAULT_SIZES.users}, at least ${MIN_SEED_USERS}; ada and bo are among them
           --conversations N     default ${DEFAULT_SIZES.conversations}
           --messages N          default ${DEFAULT_SIZES.messages}
           --seed N              default ${DEFAULT_SIZES.seed}; other numbers give other data
           --force               in production too
       parley token EXTERNAL_ID  mints a token for development (npm run token -- EXTERNAL_ID)
           --name NAME           the user's display name
           --service             a token of the host's back end instead of a user's
           --expires-in SECONDS  default ${DAY_SECONDS}, a day
       parley --help             this text

Settings, from the environment or a .env file in the working directory:
${settings.join('\n')}
`
}
