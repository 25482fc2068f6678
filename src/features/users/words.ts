const MAX_WORDS = 32
const MAX_WORD = 64

// A mark begins no word: emoji carry some that belong to no letter.
const WORD = /[\p{L}\p{N}][\p{L}\p{M}\p{N}]*/gu

/** The words that a user is found by: of letters and digits, in lower case, each once. */
export function wordsOf(...texts: string[]): string[] {
  const words = texts.flatMap((text) => text.normalize('NFKC').toLowerCase().match(WORD) ?? [])
  return [...new Set(words.map((word) => [...word].slice(0, MAX_WORD).join('')))].slice(0, MAX_WORDS)
}
