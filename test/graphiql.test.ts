import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { parse, validate } from 'graphql'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { demoOperations, OPERATIONS_WITHOUT_TOKEN } from '../src/features/demo/operations.ts'
import { DEMO_USERS } from '../src/features/demo/users.ts'
import { schema } from '../src/schema/index.ts'
import { startApp, type TestApp } from './support/app.ts'
import { findChromium } from './support/chromium.ts'

const executablePath = findChromium()

describe.skipIf(executablePath === null)('GraphiQL in a browser', () => {
  let browser: Browser

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] })
  })

  afterAll(() => browser.close())

  describe('in development', () => {
    const subscribed = createSignal()
    let later = 0
    let app: TestApp
    let context: BrowserContext
    let ada: Page
    let bo: Page
    const reached = new Set<string>()
    const complaints: string[] = []

    beforeAll(async () => {
      app = await startApp({
        env: { NODE_ENV: 'development' },
        overrides: { clock: { now: () => Date.now() + later }, onSubscribed: subscribed.raise },
      })
      context = await browser.newContext()
      context.on('request', (request) => reached.add(hostOf(request.url())))
      context.on('page', (page) => page.on('websocket', (socket) => reached.add(hostOf(socket.url()))))
      context.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
      context.on('weberror', (error) => complaints.push(error.error().message))
      bo = await openPage(context, `${app.url}/graphql?as=bo`)
      ada = await openPage(context, `${app.url}/graphql`)
    })

    afterAll(async () => {
      await context.close()
      await app.close()
    })

    test("a message that is sent on one demo user's page arrives on the other's", async () => {
      await bo.bringToFront()
      await press(bo, 'Execute query')
      await subscribed.raised

      await ada.bringToFront()
      await press(ada, 'Execute query')
      await response(ada, 'Hello, Bo!').waitFor()

      await bo.bringToFront()
      await response(bo, 'Hello, Bo!').waitFor()
      await response(bo, 'Ada Lovelace').waitFor()
    })

    test('each operation has a tab, which one press opens', async () => {
      await ada.bringToFront()
      await runTab(ada, 'Conversations', 'Bo Diddley')
      await runTab(ada, 'History', 'Hello, Bo!')
    })

    test('the documentation is filled', async () => {
      await ada.bringToFront()
      await ada.getByLabel('Show Documentation Explorer').click()
      await ada.getByRole('link', { name: 'SendMessageInput', exact: true }).waitFor()
    })

    test("each page keeps its own user's edits over a reload, and its token never grows old", async () => {
      await ada.bringToFront()
      await openTab(ada, 'SendMessage')
      await editor(ada, '"Hello, Bo!"').dblclick({ position: { x: 20, y: 8 } })
      await ada.keyboard.insertText('Goodbye')
      await ada.getByRole('button', { name: 'Headers' }).click()
      await ada.getByText('"authorization"').dblclick()
      await ada.keyboard.insertText('a-stale-header')
      await ada.waitForFunction(() => JSON.stringify(sessionStorage).includes('Goodbye, Bo!'))
      later = 365 * 24 * 60 * 60 * 1000
      await Promise.all([reload(ada), reload(bo)])

      await ada.bringToFront()
      await press(ada, 'Execute query')
      await response(ada, 'Goodbye, Bo!').waitFor()
      await bo.bringToFront()
      await openTab(bo, 'SendAnswer')
      await editor(bo, '"Hello, Ada!"').waitFor()
    })

    test('the link of a page opens the other one', async () => {
      const [opened] = await Promise.all([
        context.waitForEvent('page'),
        ada.getByRole('link', { name: 'Bo Diddley' }).click(),
      ])
      await opened.waitForLoadState()
      expect(await opened.title()).toBe('Bo Diddley · Parley')
    })

    test('nothing is asked of another host, nothing goes wrong, and no token stands in an address', () => {
      expect([...reached]).toEqual([new URL(app.url).host])
      expect(complaints).toEqual([])
      expect([ada.url(), bo.url()]).toEqual([`${app.url}/graphql`, `${app.url}/graphql?as=bo`])
    })
  })

  test('elsewhere it waits for a token of one’s own, and subscribes with it', async () => {
    const subscribed = createSignal()
    const app = await startApp({ overrides: { onSubscribed: subscribed.raise } })
    const context = await browser.newContext()
    try {
      const page = await openPage(context, `${app.url}/graphql?as=ada`)
      await press(page, 'Execute query', 'NewMessages')
      await response(page, 'The token is malformed').waitFor()

      await page.getByText('"Bearer YOUR_TOKEN"').dblclick({ position: { x: 110, y: 8 } })
      await page.keyboard.insertText(await app.as('ada').token)
      await press(page, 'Execute query', 'NewMessages')
      await subscribed.raised
    } finally {
      await context.close()
      await app.close()
    }
  })
})

describe('the page', () => {
  const asBrowser = { headers: { accept: 'text/html' } }

  test('is not stored, not framed, and runs no foreign script', async () => {
    const app = await startApp()
    const { status, headers } = await fetch(`${app.url}/graphql`, asBrowser)
    await app.close()
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('content-security-policy')).toMatch(/default-src 'none'; script-src 'nonce-[^']+';/)
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
  })

  test('gives no token away under a name that a page made up for this address', async () => {
    const app = await startApp({ env: { NODE_ENV: 'development' } })
    const own = await pageUnder(app.url, new URL(app.url).host)
    const foreign = await pageUnder(app.url, 'rebound.example')
    await app.close()
    expect(own).toMatch(/Bearer ey/)
    expect(foreign).not.toMatch(/Bearer ey/)
    expect(foreign).toContain('YOUR_TOKEN')
  })

  test('is not there with GRAPHIQL=off', async () => {
    const app = await startApp({ env: { NODE_ENV: 'development', GRAPHIQL: 'off' } })
    const { status, headers } = await fetch(`${app.url}/graphql`, asBrowser)
    await app.close()
    expect(status).toBe(401)
    expect(headers.get('content-type')).toContain('application/json')
  })

  test('shows operations that fit the schema', () => {
    const operations = [...DEMO_USERS.flatMap((user) => demoOperations(user, 'id')), OPERATIONS_WITHOUT_TOKEN]
    for (const operation of operations) expect(validate(schema, parse(operation))).toEqual([])
  })
})

/** The page as a browser gets it that knows the server by this name; fetch sets the Host header itself. */
async function pageUnder(url: string, host: string): Promise<string> {
  const request = get(`${url}/graphql?as=ada`, { headers: { accept: 'text/html', host } })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return text(response)
}

async function openPage(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(url)
  await ready(page)
  return page
}

async function reload(page: Page) {
  await page.reload()
  await ready(page)
}

/** Resolves once the operation in the editor can be run. */
async function ready(page: Page) {
  await page.locator('.graphiql-query-editor .view-line').first().waitFor()
}

/** Presses a button of the toolbar, and chooses an operation where there are several. */
async function press(page: Page, label: string, operation?: string) {
  await page.getByLabel(label).click()
  if (operation) await page.getByRole('menuitem', { name: operation }).click()
}

/** Goes to the tab of an operation. */
async function openTab(page: Page, operation: string) {
  await page.locator('.graphiql-tab-button', { hasText: operation }).click()
  await page.locator('.graphiql-tab-active', { hasText: operation }).waitFor()
}

/** Runs the operation of a tab, again until it answers so: GraphiQL shows a tab a moment before it can run it. */
async function runTab(page: Page, operation: string, answer: string) {
  await openTab(page, operation)
  const run = async () => {
    await press(page, 'Execute query')
    await response(page, answer).waitFor({ timeout: 1_000 })
  }
  await vi.waitFor(run, { timeout: 10_000 })
}

const editor = (page: Page, text: string) => page.locator('.graphiql-query-editor').getByText(text)
const response = (page: Page, text: string) => page.locator('.graphiql-response').getByText(text)

/** What a request goes to; nothing for what the page has in itself. */
function hostOf(url: string): string {
  return new URL(url.replace(/^blob:/, '')).host
}

function createSignal(): { raise: () => void; raised: Promise<void> } {
  let raise = () => {}
  const raised = new Promise<void>((resolve) => {
    raise = resolve
  })
  return { raise, raised }
}
