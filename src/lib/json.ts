import { BadUserInputError } from './errors.ts'
import { isStorable } from './text.ts'

export type JsonObject = Record<string, unknown>

const MAX_BYTES = 16 * 1024
const MAX_LEVELS = 32

/**
 * Metadata as it came, if it is an object of at most 16 KiB as JSON and 32 levels that PostgreSQL can store.
 * @throws BadUserInputError naming `field`.
 */
export function requireMetadata(value: JsonObject, field: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new BadUserInputError(`${field} must be a JSON object.`, field)
  }
  // Levels first, with a bound: JSON.stringify recurses.
  if (isDeeperThan(value, MAX_LEVELS)) {
    throw new BadUserInputError(`${field} must have at most ${MAX_LEVELS} levels.`, field)
  }
  const text = JSON.stringify(value)
  if (Buffer.byteLength(text) > MAX_BYTES) {
    throw new BadUserInputError(`${field} must have at most ${MAX_BYTES / 1024} KiB as JSON.`, field)
  }
  // JSON.stringify would make them null.
  if (text.includes('null') && !everyNumber(value)) {
    throw new BadUserInputError(`${field} has a number that JSON can't hold.`, field)
  }
  // Whether in keys or values, JSON.stringify writes them as escapes.
  if (/\\u0000|\\ud[89a-f]/.test(text) && !everyText(value)) {
    throw new BadUserInputError(`${field} has a NUL character or half of a surrogate pair.`, field)
  }
  return value
}

/** Whether a value is nested in more levels; a flat object has one. Never recurses deeper than `max`. */
export function isDeeperThan(value: unknown, max: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (max === 0) return true
  for (const item of Object.values(value)) if (isDeeperThan(item, max - 1)) return true
  return false
}

/** Only for what is known not to be deep. */
function everyText(value: unknown): boolean {
  if (typeof value === 'string') return isStorable(value)
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([key, item]) => isStorable(key) && everyText(item))
}

/** Whether all numbers are finite: 1e400 is not. Only for what is known not to be deep. */
function everyNumber(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  return typeof value !== 'object' || value === null || Object.values(value).every(everyNumber)
}

/** JSON with the keys of every object sorted, so that equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : item,
  )
}
