import type { IncomingMessage } from 'node:http'
import { GraphQLError } from 'graphql'
import type { GraphQLParams } from 'graphql-yoga'
import { badRequest } from './reply.ts'

// What must hold of an HTTP request, and how GraphQL is read from it.

/** The one content type that a page can't send to another origin without asking first. */
export function isJson(contentType: string | null): boolean {
  return /^application\/json\s*(;\s*charset=("?)utf-?8\2\s*)?$/i.test(contentType ?? '')
}

/** A request in the body of a POST. */
export async function readBody(request: Request): Promise<GraphQLParams> {
  const text = await request.text().catch((error) => {
    // Other than a size over the limit it is the client that has gone.
    throw error instanceof GraphQLError ? error : badRequest(400, 'The body broke off.')
  })
  return parseJson(text)
}

/** The body of a request that says how long it is, to which Node holds it; null where it broke off. */
export function readBytes(request: IncomingMessage): Promise<Buffer | null> {
  return new Promise((resolve) => {
    if (request.destroyed) return resolve(null)
    const chunks: Buffer[] = []
    request
      .on('data', (chunk: Buffer) => chunks.push(chunk))
      .on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)))
      .on('close', () => resolve(null))
  })
}

/** A request in the address of a GET; other parameters are nobody's business. */
export function readQuery(request: Request): GraphQLParams {
  const parameters = new URL(request.url).searchParams
  const text = (name: string) => parameters.get(name) || undefined
  const json = (name: string) => (parameters.get(name) ? parseJson(parameters.get(name)!, name) : undefined)
  return {
    query: text('query'),
    operationName: text('operationName'),
    variables: json('variables'),
    extensions: json('extensions'),
  }
}

function parseJson(text: string, field?: string) {
  try {
    return JSON.parse(text)
  } catch {
    throw badRequest(400, `${field ?? 'The body'} is not valid JSON.`, field)
  }
}

/** The last that was found to be one: clients ask for the same all the time. */
let lastHost = 'localhost'

/** Whether it can be the host of a URL. Node passes on whatever a client wrote, and Yoga makes URLs of it. */
export function isHost(host = ''): boolean {
  if (host === lastHost) return true
  const isOne = /^[\w.:[\]-]*$/.test(host) && URL.canParse(`http://${host || 'localhost'}`)
  if (isOne) lastHost = host
  return isOne
}
