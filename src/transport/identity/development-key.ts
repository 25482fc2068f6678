import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type Config, ConfigError } from '../../config.ts'

/**
 * The key of HS256 tokens. Where none is set, outside production, it is made up once and kept in the data folder,
 * readable to its owner alone, so that tokens outlive a restart; undefined where only a JWKS is used.
 * @throws ConfigError naming a folder that can't be used.
 */
export async function tokenSecret({ tokens, dataDir, environment }: Config): Promise<string | undefined> {
  if (tokens.secret !== undefined || tokens.jwksUrl !== undefined || environment === 'production') return tokens.secret
  const file = path.resolve(dataDir, 'jwt-secret')
  try {
    await mkdir(path.dirname(file), { recursive: true })
    // wx: of two simultaneous first starts one writes, and both read that.
    await writeFile(file, randomBytes(48).toString('base64url'), { mode: 0o600, flag: 'wx' }).catch(ignoreExisting)
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new ConfigError(`DATA_DIR: ${file} can't be written or read (${(error as NodeJS.ErrnoException).code}).`)
  }
}

function ignoreExisting(error: NodeJS.ErrnoException) {
  if (error.code !== 'EEXIST') throw error
}
