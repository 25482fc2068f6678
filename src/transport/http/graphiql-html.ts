export interface GraphiqlOptions {
  /** Of the browser's tab. */
  title: string
  /** At the top right, as HTML. */
  banner: string
  /** What the browser's tab keeps is kept under this name. */
  storageKey: string
  /** Sent with each request, unless changed in the Headers pane. */
  headers: Record<string, string>
  showHeaders: boolean
  /** One tab for each. */
  operations: string[]
}

/** GraphiQL as one page of 9 MB, which fetches nothing. `nonce` is what the Content-Security-Policy lets its script run by. */
export async function graphiqlHtml(options: GraphiqlOptions, nonce: string): Promise<string> {
  // Read when somebody asks for the page.
  const assets = await import('@graphql-yoga/render-graphiql/graphiql')
  return /* HTML */ `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${options.title}</title>
    <link rel="icon" href="data:image/svg+xml,${encodeURIComponent(LOGO)}">
    <style>${assets.css}${PAGE_STYLE}</style>
  </head>
  <body>
    <noscript>GraphiQL needs JavaScript.</noscript>
    <div id="root"></div>
    <script nonce="${nonce}">
      ${assets.js};
      const workers = ${toScript({
        editorWorkerService: assets.editorWorkerService,
        json: assets.jsonWorker,
        graphql: assets.graphqlWorker,
      })}
      const options = ${toScript(options)}
      const logo = ${toScript(LOGO)}
      ${PAGE_SCRIPT}
    </script>
  </body>
</html>
`
}

const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
  <path fill="#5b5bd6" d="M6 3h14a4 4 0 0 1 4 4v7a4 4 0 0 1-4 4h-8l-6 6v-6a4 4 0 0 1-4-4V7a4 4 0 0 1 4-4z"/>
  <path fill="#12a594" d="M27 11a3 3 0 0 1 3 3v8a3 3 0 0 1-3 3v5l-5-5h-8a3 3 0 0 1-3-3v-1h10a6 6 0 0 0 6-6z"/>
</svg>`

const PAGE_STYLE = `
      /* GraphiQL 5 moves a tab away from under the pointer on the first press, which then does not count as a click. */
      .graphiql-tabs > * { transform: none !important }
      .graphiql-logo { white-space: nowrap }
      .graphiql-logo span { margin-left: 8px }
      .graphiql-logo a { color: inherit; font-weight: normal }
    `

/** A value as JavaScript that can stand in a script element. */
function toScript(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c')
}

// Runs in the browser, with assets.js before it.
const PAGE_SCRIPT = /* JavaScript */ `
      self.MonacoEnvironment = {
        getWorkerUrl: (_, label) => URL.createObjectURL(new Blob([workers[label]], { type: 'text/javascript' })),
      }

      // Of this browser tab alone, so that those of different users don't overwrite each other.
      const storage = {
        getItem: (key) => sessionStorage.getItem(options.storageKey + key),
        setItem: (key, value) => sessionStorage.setItem(options.storageKey + key, value),
        removeItem: (key) => sessionStorage.removeItem(options.storageKey + key),
      }

      // A refused WebSocket is retried for 40 s and then gives no reason. A request gives it at once.
      async function requireIdentity(sent) {
        sent.set('content-type', 'application/json')
        const response = await fetch(location.pathname, { method: 'POST', headers: sent, body: '{"query":"{__typename}"}' })
        const { errors } = await response.json()
        if (errors) throw errors[0]
      }

      let headers = JSON.stringify(options.headers, null, 2)

      YogaGraphiQL.renderYogaGraphiQL(document.getElementById('root'), {
        title: options.banner,
        logo,
        storage,
        defaultTabs: options.operations.map((query) => ({ query })),
        defaultHeaders: headers,
        // Filled in anew by every page: a stored token would be an old one.
        shouldPersistHeaders: false,
        defaultEditorToolsVisibility: options.showHeaders && 'headers',
        // Else the page's address would get the operation.
        onEditQuery: () => {},
        onEditHeaders: (text) => {
          headers = text
        },
        subscriptionsProtocol: 'WS',
        // A WebSocket of a browser has no headers: what the Headers pane says goes into connection_init.
        connectionParams: async () => {
          const sent = new Headers(JSON.parse(headers || '{}'))
          await requireIdentity(sent)
          return { authorization: sent.get('authorization'), actAs: sent.get('x-parley-act-as') }
        },
      })
`
