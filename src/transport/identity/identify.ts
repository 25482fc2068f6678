import type { UserEvent } from '../../bus/topics.ts'
import type { AppContext, Viewer } from '../../context.ts'
import { type FindUser, userOfToken } from '../../features/users/service.ts'
import type { UserRow } from '../../features/users/user.ts'
import { UnauthenticatedError } from '../../lib/errors.ts'
import { isStorable } from '../../lib/text.ts'
import type { UserSubscriber } from '../../live/hub.ts'
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
  /** Looks again at somebody who was let in before. @throws UnauthenticatedError. */
  again(identity: Identity): Promise<Identity>
  /**
   * The same one with a newer token. @throws UnauthenticatedError where it is refused, or somebody else's.
   */
  renew(identity: Identity, authorization: unknown): Promise<Identity>
  /** Refuses somebody who stays once he is no longer let in, or has expired. */
  watch(identity: Identity, watched: Watched): Promise<Watching>
}

/** What belongs to one who stays. */
export interface Watched {
  refuse(): void
}

export interface Watching {
  stop(): void
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
      const user = typeof actAs === 'string' && isStorable(actAs) ? await app.userLeases.find(actAs) : null
      if (!user) throw new UnauthenticatedError('The user to act for is unknown.')
      return letIn({ viewer: { kind: 'user', user, actingService: claims.sub }, ...token })
    }
    if (claims.isService) return { viewer: { kind: 'service', subject: claims.sub }, ...token }
    const user = await userOfToken(app, claims)
    return letIn({ viewer: { kind: 'user', user, actingService: null }, ...token })
  }

  const again = (identity: Identity) => lookAgain(identity, app.userLeases.find)

  async function lookAgain(identity: Identity, findUser: FindUser): Promise<Identity> {
    const { viewer } = identity
    if (remaining(identity) <= 0) throw new UnauthenticatedError('The token has expired.')
    if (viewer.kind === 'service') return identity
    const user = await findUser(viewer.user.externalId)
    if (!user) throw new UnauthenticatedError('This user is no more.')
    const standing = letIn({ ...identity, viewer: { ...viewer, user } })
    // A socket keeps what it is given here, so not the same once more.
    return user === viewer.user || isSame(user, viewer.user) ? identity : standing
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

  const watcher: Watcher = {
    live: app.live,
    // By the table itself: the news is that it has just changed.
    lookAgain: (identity) => lookAgain(identity, app.findUser),
    remaining,
  }

  async function watch(identity: Identity, watched: Watched): Promise<Watching> {
    const watch = new Watch(watcher, identity, watched)
    await watch.begin()
    return watch
  }

  return { first, again, renew, watch }
}

interface Watcher {
  live: AppContext['live']
  lookAgain(identity: Identity): Promise<Identity>
  remaining(identity: Identity): number
}

/** Watches one who stays. A class, so that each of thousands is one object. */
class Watch implements Watching, UserSubscriber {
  private readonly watcher: Watcher
  private readonly identity: Identity
  private readonly watched: Watched
  private isOver = false
  private timer: NodeJS.Timeout | null = null

  constructor(watcher: Watcher, identity: Identity, watched: Watched) {
    this.watcher = watcher
    this.identity = identity
    this.watched = watched
  }

  async begin() {
    const { viewer } = this.identity
    if (viewer.kind === 'user') {
      await this.watcher.live.followUser(viewer.user.id, this)
      // For what happened before this node listened.
      this.receive({ type: 'standing', key: viewer.user.id })
    }
    this.untilExpiry()
  }

  receive({ type }: UserEvent) {
    if (type !== 'standing') return
    this.watcher.lookAgain(this.identity).catch((error) => {
      // What can't be looked up now is looked up again with the next operation.
      if (error instanceof UnauthenticatedError) this.refuse()
    })
  }

  private untilExpiry() {
    const ms = this.watcher.remaining(this.identity)
    if (ms <= 0) return this.refuse()
    this.timer = setTimeout(() => this.untilExpiry(), Math.min(ms, MAX_TIMEOUT_MS)).unref()
  }

  private refuse() {
    // A look that was under way when the token was renewed speaks of the old one.
    if (!this.isOver) this.watched.refuse()
  }

  stop() {
    this.isOver = true
    if (this.timer) clearTimeout(this.timer)
    const { viewer } = this.identity
    if (viewer.kind === 'user') this.watcher.live.unfollowUser(viewer.user.id, this)
  }
}

/** What tells viewers apart. */
export function nameOf(viewer: Viewer): string {
  if (viewer.kind === 'service') return `service ${viewer.subject}`
  return `user ${viewer.user.id} by ${viewer.actingService ?? 'itself'}`
}

/** Whether two rows say the same. */
function isSame(one: UserRow, other: UserRow): boolean {
  return (Object.keys(one) as (keyof UserRow)[]).every((key) => one[key]?.valueOf() === other[key]?.valueOf())
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
