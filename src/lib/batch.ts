import DataLoader from 'dataloader'

/** The most that goes together, if nothing else is said. */
const MAX_BATCH = 500

/**
 * Gathers what is asked for while an earlier batch is under way into the next one, so that many who ask at once, as after
 * a lost connection, cost few statements; whoever asks alone doesn't wait. Keys for which `nameOf` gives the same are
 * asked for once in a batch. Nothing is kept. `load` gives back the values in the order of the keys.
 */
export function createBatcher<Key, Value>(
  load: (keys: readonly Key[]) => Promise<Value[]>,
  nameOf: (key: Key) => string,
  maxBatch = MAX_BATCH,
): (key: Key) => Promise<Value> {
  let underWay: Promise<unknown> = Promise.resolve()
  const loader = new DataLoader<Key, Value>(
    (keys) => {
      const loading = loadOnce(keys)
      underWay = loading.catch(() => {})
      return loading
    },
    {
      cache: false,
      maxBatchSize: maxBatch,
      batchScheduleFn: (dispatch) => void underWay.then(() => setImmediate(dispatch)),
    },
  )

  async function loadOnce(keys: readonly Key[]): Promise<Value[]> {
    const names = keys.map(nameOf)
    const distinct = new Map(keys.map((key, index) => [names[index]!, key]))
    const values = await load([...distinct.values()])
    const byName = new Map([...distinct.keys()].map((name, index) => [name, values[index]!]))
    return names.map((name) => byName.get(name)!)
  }

  return (key) => loader.load(key)
}
