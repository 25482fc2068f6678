import { setImmediate as turn } from 'node:timers/promises'
import { beforeEach, expect, test } from 'vitest'
import { tellSoon, writeSoon } from '../../src/lib/end-of-turn.ts'

let happened: string[]
beforeEach(() => {
  happened = []
})

const writer = (name: string) => ({ write: () => void happened.push(`${name} writes`) })

test('all is told before anything is written, at the end of the turn', async () => {
  const [one, other] = [writer('one'), writer('other')]
  writeSoon(other)
  tellSoon(() => {
    happened.push('first told')
    writeSoon(one)
  })
  tellSoon(() => void happened.push('second told'))
  expect(happened).toEqual([])
  await turn()
  expect(happened).toEqual(['first told', 'second told', 'other writes', 'one writes'])
})

test('what comes while it is told or written is not lost', async () => {
  tellSoon(() => tellSoon(() => void happened.push('told later')))
  writeSoon({ write: () => writeSoon(writer('later')) })
  await turn()
  await turn()
  expect(happened).toEqual(['told later', 'later writes'])
})

test('of very many, those that were told last begin to write while others still are to be told', async () => {
  const tellAll = (from: number) => () => {
    for (let number = from; number < from + 100; number++) writeSoon(writer(`${number}`))
    happened.push(`${from} told`)
  }
  tellSoon(tellAll(0))
  tellSoon(tellAll(100))
  await turn()
  // Those of the first wait for the second, which may have more for the same.
  expect(happened[0]).toBe('0 told')
  expect(happened.indexOf('100 writes')).toBeLessThan(happened.indexOf('100 told'))
  const written = happened.filter((each) => each.endsWith('writes'))
  expect(written).toEqual(Array.from({ length: 200 }, (_, number) => `${number} writes`))
})
