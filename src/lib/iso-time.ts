// Writes times as Date.toISOString does, in half its time: a list of fifty conversations has a hundred of them.

const ZERO = '0'.charCodeAt(0)
const DASH = '-'.charCodeAt(0)
const T = 'T'.charCodeAt(0)
const COLON = ':'.charCodeAt(0)
const DOT = '.'.charCodeAt(0)
const Z = 'Z'.charCodeAt(0)

const MS_OF_DAY = 24 * 60 * 60 * 1000

/** A time as RFC 3339 in UTC with milliseconds. @throws RangeError for an invalid one. */
export function isoTime(date: Date): string {
  const year = date.getUTCFullYear()
  // Written with more digits, or not at all.
  if (!(year >= 0 && year <= 9999)) return date.toISOString()
  const century = Math.floor(year / 100)
  const month = date.getUTCMonth() + 1
  const day = date.getUTCDate()
  const ms = ((date.getTime() % MS_OF_DAY) + MS_OF_DAY) % MS_OF_DAY
  const seconds = Math.floor(ms / 1000)
  const minutes = Math.floor(seconds / 60)
  const hour = Math.floor(minutes / 60)
  const minute = minutes % 60
  const second = seconds % 60
  const centiseconds = Math.floor(ms / 10) % 100
  // biome-ignore format: a row for each part
  return String.fromCharCode(
    tens(century), ones(century), tens(year % 100), ones(year), DASH, tens(month), ones(month), DASH, tens(day), ones(day),
    T, tens(hour), ones(hour), COLON, tens(minute), ones(minute), COLON, tens(second), ones(second),
    DOT, tens(centiseconds), ones(centiseconds), ones(ms), Z,
  )
}

const tens = (number: number) => ZERO + Math.floor(number / 10)
const ones = (number: number) => ZERO + (number % 10)
