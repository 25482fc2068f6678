import type { UserEvent } from '../../bus/topics.ts'
import type { AppContext, Viewer } from '../../context.ts'
import { userOfToken } from '../../features/users/service.ts'
import type { UserRow } from '../../features/users/user.ts'
import { UnauthenticatedError } from '../../lib/errors.ts'
import { isStorable } from '../../lib/text.ts'
import { bearerToken, LEEWAY_SECONDS, type TokenVerifier } from './authenticate.ts'

/** Who sends a request. */
export interface Identity {
  viewer: Viewer
  /** `iat` of the token, in milliseconds since the epoch; null where it has none. */
  issuedAt: number | null
  /** `exp` of the token, in milliseconds since the epoch. */
  expiresAt: number
}

/** The check that every transport puts first. */
export interface Identify {
  /**
   * A token's user, or a service, perhaps acting for a user.
   * @throws UnauthenticatedError for a missing, refused or revoked token, for a deactivated user, and for acting without
   * being a service or for nobody.
   */
  first(authorization: unknown, actAs: unknown): Promise<Identity>
  /** Looks again at somebody who was let in before, and brings the profile up to date. @throws UnauthenticatedError. */
  again(identity: Identity): Promise<Identity>
  /**
   * The same one with a newer token. @throws UnauthenticatedError where it is refused, or somebody else's.
   */
  renew(identity: Identity, authorization: unknown): Promise<Identity>
  /** Calls `refused` once somebody who stays is no longer let in, or has expired. Gives back how to stop watching. */
  watch(identity: Identity, refused: () => void): Promise<() => void>
}

/** The longest that setTimeout can wait. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

export function createIdentify(app: AppContext, verifier: TokenVerifier): Identify {
  async function first(authorization: unknown, actAs: unknown): Promise<Identity> {
    const claims = await verifier.verify(bearerToken(authorization))
    const token = {
      issuedAt: claims.issuedAt === null ? null : claims.issuedAt * 1000,
      expiresAt: claims.expiresAt * 1000,
    }
    if (actAs != null && actAs !== '') {
      if (!claims.isService) throw new UnauthenticatedError('Only a service may act for a user.')
      const user = typeof actAs === 'string' && isStorable(actAs) ? await app.findUser(actAs) : null
      if (!user) throw new UnauthenticatedError('The user to act for is unknown.')
      return letIn({ viewer: { kind: 'user', user, actingService: claims.sub }, ...token })
    }
    if (claims.isService) return { viewer: { kind: 'service', subject: claims.sub }, ...token }
    const user = await userOfToken(app, claims)
    return letIn({ viewer: { kind: 'user', user, actingService: null }, ...token })
  }

  async function again(identity: Identity): Promise<Identity> {
    const { viewer } = identity
    if (remaining(identity) <= 0) throw new UnauthenticatedError('The token has expired.')
    if (viewer.kind === 'service') return identity
    const user = await app.findUser(viewer.user.externalId)
    if (!user) throw new UnauthenticatedError('This user is no more.')
    return letIn({ ...identity, viewer: { ...viewer, user } })
  }

  /** Milliseconds for which the token is still accepted. */
  const remaining = ({ expiresAt }: Identity) => expiresAt + LEEWAY_SECONDS * 1000 - app.clock.now()

  async function renew(identity: Identity, authorization: unknown): Promise<Identity> {
    const { viewer } = identity
    const actAs = viewer.kind === 'user' && viewer.actingService !== null ? viewer.user.externalId : undefined
    const renewed = await first(authorization, actAs)
    if (nameOf(renewed.viewer) !== nameOf(viewer)) throw new UnauthenticatedError("The token is somebody else's.")
    return renewed
  }

  async function watch(identity: Identity, refused: () => void): Promise<() => void> {
    const { viewer } = identity
    let watching = true
    let timer: NodeJS.Timeout | undefined
    const refuse = () => {
      // A look that was under way when the token was renewed speaks of the old one.
      if (watching) refused()
    }
    const untilExpiry = () => {
      if (remaining(identity) <= 0) return refuse()
      timer = setTimeout(untilExpiry, Math.min(remaining(identity), MAX_TIMEOUT_MS)).unref()
    }
    const lookAgain = ({ type }: UserEvent) => {
      if (type !== 'standing') return
      again(identity).catch((error) => {
        // What can't be looked up now is looked up again with the next operation.
        if (error instanceof UnauthenticatedError) refuse()
      })
    }
    if (viewer.kind === 'user') {
      await app.live.followUser(viewer.user.id, lookAgain)
      // For what happened before this node listened.
      lookAgain({ type: 'standing', key: viewer.user.id })
    }
    untilExpiry()
    return () => {
      watching = false
      clearTimeout(timer)
      if (viewer.kind === 'user') app.live.unfollowUser(viewer.user.id, lookAgain)
    }
  }

  return { first, again, renew, watch }
}

/** What tells viewers apart. */
export function nameOf(viewer: Viewer): string {
  if (viewer.kind === 'service') return `service ${viewer.subject}`
  return `user ${viewer.user.id} by ${viewer.actingService ?? 'itself'}`
}

function letIn(
  identity: Identity & { viewer: { kind: 'user'; user: UserRow; actingService: string | null } },
): Identity {
  const { user, actingService } = identity.viewer
  if (user.deactivatedAt) throw new UnauthenticatedError('This user was deactivated.')
  // A service's own token is not the user's to lose.
  const validFrom = actingService === null ? user.tokensValidFrom : null
  if (validFrom && (identity.issuedAt === null || identity.issuedAt < validFrom.getTime())) {
    throw new UnauthenticatedError('This token was revoked.')
  }
  return identity
}
