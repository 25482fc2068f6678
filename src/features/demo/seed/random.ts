import { v7 } from 'uuid'

/** Draws what looks random and is the same for the same seed, on every machine. */
export interface Random {
  /** From 0 up to, but not, 1. */
  fraction(): number
  /** A whole number, both ends included. */
  int(from: number, to: number): number
  chance(probability: number): boolean
  pick<Item>(items: readonly Item[]): Item
  /** One of the items, more often one of the first. */
  pickEarly<Item>(items: readonly Item[]): Item
  /** A UUID of version 7 of this time, in milliseconds since the epoch. */
  uuid(time: number): string
}

/** mulberry32 of a seed from 0 to 2^32 - 1. Only arithmetic that gives the same everywhere: Math.pow, say, may not. */
export function createRandom(seed: number): Random {
  let state = seed | 0

  function bits(): number {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  const fraction = () => bits() / 2 ** 32
  return {
    fraction,
    int: (from, to) => from + Math.floor(fraction() * (to - from + 1)),
    chance: (probability) => fraction() < probability,
    pick: (items) => items[Math.floor(fraction() * items.length)]!,
    pickEarly: (items) => items[Math.floor(fraction() * fraction() * items.length)]!,
    uuid(time) {
      const random = new Uint8Array(16)
      const view = new DataView(random.buffer)
      for (let offset = 0; offset < 16; offset += 4) view.setUint32(offset, bits())
      return v7({ msecs: time, random })
    },
  }
}
