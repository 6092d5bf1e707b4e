/**
 * Pages in a browser: a Chromium without a window, if there is one, spoken to by the DevTools protocol over a pipe;
 * else the scripts of a page in happy-dom, a DOM without layout.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Window } from 'happy-dom'

/** Where a Chromium or a Chrome may be; the variable CHROMIUM names another one. */
const places = [
  ...['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'],
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

/** The path of a Chromium, if there is one. */
export const chromium = process.env.CHROMIUM || places.find((path) => existsSync(path))

/** A page that is loaded. */
export interface Page {
  /** The value of an expression of JavaScript, or what its promise resolves to. */
  evaluate(code: string): Promise<unknown>
}

/** What the other side writes: the answer to a call, or an event. */
interface Message {
  id?: number
  method?: string
  params?: Record<string, unknown>
  result?: Record<string, unknown>
  error?: { message: string }
}

interface Evaluated {
  result?: { value?: unknown }
  exceptionDetails?: { exception?: { description?: string } }
}

/** A Chromium with one page. */
export class Browser implements Page {
  /** Errors of scripts that nobody caught. */
  readonly errors: string[] = []
  readonly #profile = mkdtempSync(join(tmpdir(), 'elman-chromium-'))
  readonly #process: ChildProcess
  readonly #toBrowser: Writable
  readonly #ended: Promise<unknown>
  readonly #waiting = new Map<number, (answer: Message) => void>()
  #calls = 0
  #loaded: (() => void) | undefined
  #session: unknown

  private constructor(path: string) {
    const flags = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run']
    this.#process = spawn(
      path,
      ['--headless', '--remote-debugging-pipe', `--user-data-dir=${this.#profile}`, ...flags],
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
    )
    this.#ended = new Promise((resolve) => this.#process.on('close', resolve))
    const [toBrowser, fromBrowser] = this.#process.stdio.slice(3) as [Writable, Readable]
    this.#toBrowser = toBrowser
    let text = ''
    fromBrowser.setEncoding('utf8').on('data', (chunk: string) => {
      const messages = (text + chunk).split('\0')
      text = messages.pop() ?? ''
      for (const message of messages) this.#receive(JSON.parse(message))
    })
  }

  /** @param path of the program */
  static async open(path: string): Promise<Browser> {
    const browser = new Browser(path)
    const { targetId } = await browser.call('Target.createTarget', { url: 'about:blank' })
    const attached = await browser.call('Target.attachToTarget', { targetId, flatten: true })
    browser.#session = attached.sessionId
    for (const domain of ['Page', 'Runtime']) await browser.call(`${domain}.enable`)
    return browser
  }

  #receive(message: Message): void {
    const { id, method } = message
    if (id !== undefined) this.#waiting.get(id)?.(message)
    else if (method === 'Page.loadEventFired') this.#loaded?.()
    else if (method === 'Runtime.exceptionThrown') this.errors.push(JSON.stringify(message.params))
  }

  /** A call of the DevTools protocol. */
  call(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#calls
    const session = this.#session === undefined ? {} : { sessionId: this.#session }
    this.#toBrowser.write(`${JSON.stringify({ id, method, params, ...session })}\0`)
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result = {}, error }) => {
        this.#waiting.delete(id)
        if (error) reject(new Error(`${method}: ${error.message}`))
        else resolve(result)
      })
    })
  }

  /** Runs something that loads a page, and waits until it is loaded. */
  async load(action: () => Promise<unknown>): Promise<void> {
    const loaded = new Promise<void>((resolve) => {
      this.#loaded = resolve
    })
    await action()
    await loaded
  }

  goTo(url: string): Promise<void> {
    return this.load(() => this.call('Page.navigate', { url }))
  }

  async evaluate(expression: string): Promise<unknown> {
    const options = { expression, awaitPromise: true, returnByValue: true }
    const { result, exceptionDetails }: Evaluated = await this.call('Runtime.evaluate', options)
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description)
    return result?.value
  }

  /** Presses a key, as `Enter` or `ArrowDown`. */
  async press(key: string, code: number): Promise<void> {
    const event = { key, code: key, windowsVirtualKeyCode: code }
    const text = key === 'Enter' ? { text: '\r' } : {}
    await this.call('Input.dispatchKeyEvent', { type: 'keyDown', ...event, ...text })
    await this.call('Input.dispatchKeyEvent', { type: 'keyUp', ...event })
  }

  async close(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#ended
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** A page's scripts in happy-dom; `url` is that of a file. */
export async function openWithoutBrowser(url: string): Promise<Page & { close(): Promise<void> }> {
  const window = new Window({
    url,
    settings: {
      enableJavaScriptEvaluation: true,
      suppressInsecureJavaScriptEnvironmentWarning: true,
    },
  })
  Object.assign(window, { DecompressionStream, Response, Blob })
  const path = fileURLToPath(url)
  const html = readFileSync(path, 'utf8')
  const scripts = [...html.matchAll(/<script [^>]*src="([^"]*)"/g)].map(([, src = '']) => src)
  window.document.write(
    html.replace(/<script [^>]*src=[^>]*><\/script>/g, (tag) => tag.replace(/ src="[^"]*"/, '')),
  )
  // `defer` comes after what is `async` here, as it does when all files are at hand.
  const last = (src: string) => Number(src.endsWith('main.js'))
  for (const src of scripts.sort((a, b) => last(a) - last(b))) {
    window.eval(readFileSync(join(dirname(path), src), 'utf8'))
  }
  return {
    evaluate: async (code) => window.eval(code),
    close: () => window.happyDOM.close(),
  }
}
