import { BadUserInputError } from './errors.ts'

// What PostgreSQL can't store (NUL) or UTF-8 can't carry (a lone surrogate) is refused as input, instead of failing later.

const LONE_SURROGATE = /\p{Surrogate}/u

/** Whether a text can be stored and sent as it is. */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && !LONE_SURROGATE.test(text)
}

/** The length of a text in code points, as users count it more nearly than in UTF-16 units. */
export function codePoints(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

/**
 * A text as it came, if it can be stored, isn't blank and has at most `max` code points.
 * @throws BadUserInputError naming `field`.
 */
export function requireText(text: string, field: string, max: number): string {
  if (text.trim() === '') throw new BadUserInputError(`${field} must not be blank.`, field)
  // A code point has at most two UTF-16 units, so most texts need no count.
  if (text.length > max && (text.length > 2 * max || codePoints(text) > max)) {
    throw new BadUserInputError(`${field} must have at most ${max} characters.`, field)
  }
  if (!isStorable(text)) {
    throw new BadUserInputError(`${field} has a NUL character or half of a surrogate pair.`, field)
  }
  return text
}

/** The text's first `max` code points. */
export function truncate(text: string, max: number): string {
  return text.length > max ? [...text].slice(0, max).join('') : text
}

/** Whether a text is an http or https address. */
export function isHttpUrl(text: string): boolean {
  return /^https?:\/\/\S+$/i.test(text) && URL.canParse(text)
}
