// Express brings no types of its own: this is what the bench uses of it.
declare module 'express' {
  import type { RequestListener } from 'node:http'

  interface Application extends RequestListener {
    use(path: string, ...handlers: unknown[]): void
  }
  const express: { (): Application; json(): unknown }
  export default express
}
