/** Two users for trying Parley out in development: their externalIds and names. */
export const DEMO_USERS = [
  { sub: 'ada', name: 'Ada Lovelace' },
  { sub: 'bo', name: 'Bo Diddley' },
] as const

export type DemoUser = (typeof DEMO_USERS)[number]
