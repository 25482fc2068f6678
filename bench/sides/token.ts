import { jwtVerify } from 'jose'
import { SECRET } from './room.ts'

const key = new TextEncoder().encode(SECRET)

/** The user of a bearer token, for peers that leave the check to the application. @throws where it is refused. */
export async function subjectOf(authorization: unknown): Promise<string> {
  const token = String(authorization).replace(/^Bearer /, '')
  const { payload } = await jwtVerify(token, key, { algorithms: ['HS256'] })
  return payload.sub!
}
