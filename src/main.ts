#!/usr/bin/env node
import { helpText } from './commands/help.ts'
import { runMigrations } from './commands/migrate.ts'
import { seed } from './commands/seed.ts'
import { start } from './commands/start.ts'
import { printToken } from './commands/token.ts'
import { ConfigError, parseConfig, readEnv, wantsStacks } from './config.ts'

const [command = 'start', ...args] = process.argv.slice(2)

async function run(): Promise<void> {
  if ([command, ...args].some((arg) => arg === '--help' || arg === '-h')) {
    process.stdout.write(helpText())
    return
  }
  const config = parseConfig(readEnv())
  if (command === 'token') return printToken(config, args)
  if (command === 'seed') return seed(config, args)
  if (args.length > 0) throw new ConfigError(`${command} takes no ${args[0]}. See --help.`)
  if (command === 'start') return start(config)
  if (command === 'migrate') return runMigrations(config)
  throw new ConfigError(`There is no command ${command}. See --help.`)
}

run().catch((error: Error) => {
  // One line for what the user can mend; with the stack only where it is asked for.
  process.stderr.write(`parley: ${wantsStacks() ? error.stack : error.message}\n`)
  // Set already where a signal ended it.
  process.exitCode ||= 1
})
