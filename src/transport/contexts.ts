import type { AppContext, Connection, RequestContext, Viewer } from '../context.ts'

/** What resolvers are given. Each request and each event has loaders of its own: what an earlier one read is stale. */
export interface Contexts {
  forViewer(viewer: Viewer, connection?: Connection): RequestContext
  /** For what is the same for every viewer: a field that asks for one all the same fails. */
  forAll(): RequestContext
}

export function createContexts(app: AppContext): Contexts {
  // Not copied: the app has a dozen parts, and a request uses a few.
  const over = (more: object) => Object.assign(Object.create(app) as RequestContext, more)
  const nobody = Object.create(app, {
    viewer: {
      get() {
        throw new Error('A field that is marked as shareable asked who the viewer is')
      },
    },
  }) as RequestContext
  let shared: RequestContext | null = null

  return {
    forViewer: (viewer, connection) => over({ viewer, connection }),
    // One for all events that come together, until something may have been read for them: making it and its loaders
    // takes a third of executing.
    forAll() {
      if (shared) return shared
      process.nextTick(() => {
        shared = null
      })
      shared = Object.create(nobody) as RequestContext
      return shared
    },
  }
}
