/** The API pages of `npm run docs`: their order, their lists, and their search, in a browser if there is one. */

import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Window } from 'happy-dom'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Browser, chromium, openWithoutBrowser, type Page } from '../helpers/browser'
import { runNode } from '../helpers/program'

const folder = 'out/docs'
const index = pathToFileURL(join(folder, 'index.html')).href

beforeAll(async () => {
  const build = `
    import { apiPages } from './scripts/lib/setup.mjs'
    if (!apiPages.isFresh()) await apiPages.run()`
  const { stderr } = await runNode(['--input-type=module', '--eval', build])
  expect(stderr).toBe('')
}, 300_000)

/** A page, to be looked at without its scripts. */
function read(path: string) {
  const window = new Window()
  window.document.write(
    readFileSync(join(folder, path), 'utf8').replace(/<script.*?<\/script>/gs, ''),
  )
  return window.document
}

/** The lists of a page: headings, and names with their summaries. */
function lists(path: string): [heading: string, [name: string, summary: string][]][] {
  return [...read(path).querySelectorAll('.tsd-member-group')].map((group) => {
    const texts = (selector: string) =>
      [...group.querySelectorAll(selector)].map(({ textContent }) => textContent.trim())
    const [names, summaries] = [texts('dt.tsd-member-summary'), texts('dd.tsd-member-summary')]
    return [
      group.querySelector('h2')?.textContent.trim() ?? '',
      names.map((name, i) => [name, summaries[i] ?? '']),
    ]
  })
}

describe('lists', () => {
  const modules = ['', '.nn', '.nn.utils', '.nn.utils.rnn', '.optim', '.optim.lrScheduler']

  test.each(modules)('of @elman/rnn%s have a summary beside each name', (name) => {
    const all = lists(`modules/_elman_rnn${name}.html`).flatMap(([, list]) => list)
    expect(all.length).toBeGreaterThan(1)
    expect(all.filter(([, summary]) => summary === '')).toEqual([])
  })

  test('are in the order of topics', () => {
    expect(lists('modules/_elman_rnn.html').map(([heading]) => heading)).toEqual([
      ...['Networks and training', 'Tensors', 'Gradients', 'Random numbers', 'Files', 'Runtime'],
    ])
    const [[heading, layers] = []] = lists('modules/_elman_rnn.nn.html')
    expect(heading).toBe('Recurrent layers')
    expect(layers?.slice(0, 3).map(([name]) => name)).toEqual(['RNN', 'LSTM', 'GRU'])
  })

  test('of guides have titles and summaries', () => {
    const [[, guides] = []] = lists('modules.html')
    expect(guides?.map(([name]) => name)).toContain('From PyTorch')
    expect(guides?.filter(([, summary]) => !summary.endsWith('.'))).toEqual([])
  })
})

test.each([
  'classes/_elman_rnn.nn.LSTM',
  'classes/_elman_rnn.optim.Adam',
  'interfaces/_elman_rnn.nn.RNNStream',
])('the members of %s have a summary beside each name', (name) => {
  const rows = [...read(`${name}.html`).querySelectorAll('.elman-index tr:has(td)')]
  const texts = rows.map((row) =>
    [...row.querySelectorAll('td')].map((cell) => cell.textContent.trim()),
  )
  expect(texts.length).toBeGreaterThan(3)
  expect(texts.filter(([, summary]) => !summary)).toEqual([])
})

test('a table has everything that a Tensor can do, by topic, each with a summary', () => {
  const page = read('classes/_elman_rnn.Tensor.html')
  const tables = page.querySelectorAll('table.elman-index')
  expect(tables).toHaveLength(1)
  const rows = [...page.querySelectorAll('table.elman-index td:first-child')].map((cell) => ({
    name: cell.textContent.trim(),
    href: cell.querySelector('a')?.getAttribute('href')?.split('#')[1],
    summary: cell.nextElementSibling?.textContent.trim(),
  }))
  expect(rows.filter(({ summary }) => !summary)).toEqual([])
  const members = [...page.querySelectorAll('section.tsd-member > h3')].map(({ id }) => id)
  expect(members.length).toBeGreaterThan(20)
  expect(rows.map(({ href }) => href).sort()).toEqual(members.sort())
  expect(rows.map(({ name }) => name)).toContain('transpose(dim0, dim1)')
  const headings = [...tables].flatMap((table) => [...table.querySelectorAll('th')])
  expect(headings.slice(0, 2).map(({ textContent }) => textContent)).toEqual([
    'Values',
    'Arithmetic',
  ])
})

/** What a page's search finds: texts and links, or what it says instead. */
async function search(
  page: Page,
  query: string,
): Promise<{ found: [string, string][]; says: string }> {
  const code = `(async () => {
    const [field, results, status] = ['input', 'results', 'status'].map((name) =>
      document.getElementById('tsd-search-' + name))
    const until = async (met) => {
      for (let i = 0; !met(); i++) {
        if (i === 1000) throw new Error('the search says nothing but: ' + status.textContent)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    await until(() => !status.textContent.includes('Preparing'))
    if (!document.getElementById('tsd-search').open) document.getElementById('tsd-search-trigger').click()
    results.innerHTML = status.innerHTML = ''
    field.value = ${JSON.stringify(query)}
    field.dispatchEvent(new Event('input'))
    await until(() => results.children.length > 0 || status.textContent !== '')
    const found = [...results.querySelectorAll('a')].map((link) =>
      [link.textContent.replace(/\\s+/g, ''), link.getAttribute('href')])
    return { found, says: status.textContent.trim() }
  })()`
  return (await page.evaluate(code)) as Awaited<ReturnType<typeof search>>
}

/** What is typed, and what is found first. */
const searches: [string, string][] = [
  ['Tensor', 'classes/_elman_rnn.Tensor.html'],
  ['nn.LSTM', 'classes/_elman_rnn.nn.LSTM.html'],
  ['RNN', 'classes/_elman_rnn.nn.RNN.html'],
  ['clipgradnorm', 'functions/_elman_rnn.nn.utils.clipGradNorm_.html'],
  ['tensor.transpose', 'classes/_elman_rnn.Tensor.html#transpose'],
  ['loadCheckpoint', 'functions/_elman_rnn.loadCheckpoint.html'],
  ['optim.Adam', 'classes/_elman_rnn.optim.Adam.html'],
  ['From PyTorch', 'documents/From_PyTorch.html'],
]

async function checkSearch(page: Page): Promise<void> {
  for (const [query, first] of searches) {
    const { found } = await search(page, query)
    expect(found[0]?.[1], `${query}: ${found.map(([text]) => text).join(', ')}`).toBe(`./${first}`)
    for (const [, link] of found)
      expect(existsSync(join(folder, link.split('#')[0] ?? ''))).toBe(true)
  }
  // Guides and doc comments are searched, too.
  const { found } = await search(page, 'teacher forcing')
  expect(found.map(([text]) => text)).toEqual(
    expect.arrayContaining([expect.stringMatching(/jordan/i)]),
  )
  expect(await search(page, 'xylophone')).toEqual({
    found: [],
    says: 'No results found for  "xylophone"',
  })
}

test('the scripts of the pages, run in happy-dom, search', async () => {
  const page = await openWithoutBrowser(index)
  await checkSearch(page)
  await page.close()
}, 120_000)

const browserTests = chromium === undefined ? describe.skip : describe

browserTests(`in a browser (${chromium ?? 'none found; the variable CHROMIUM names one'})`, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await Browser.open(chromium ?? '')
  }, 120_000)
  afterAll(async () => {
    await browser.close()
  })

  test('the search works on pages that are files', async () => {
    await browser.goTo(index)
    await checkSearch(browser)
    expect(browser.errors).toEqual([])
  }, 120_000)

  test('the search works on pages from a server, and leads where it says', async () => {
    const types: Record<string, string> = {
      '.html': 'text/html',
      '.css': 'text/css',
      '.js': 'text/javascript',
    }
    const server = createServer(({ url = '' }, response) => {
      const path = join(folder, new URL(url, 'http://localhost').pathname)
      if (!existsSync(path)) return response.writeHead(404).end()
      return response
        .writeHead(200, { 'content-type': types[extname(path)] ?? 'image/svg+xml' })
        .end(readFileSync(path))
    })
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    try {
      const { port } = server.address() as AddressInfo
      await browser.goTo(`http://127.0.0.1:${port}/index.html`)
      await checkSearch(browser)
      await search(browser, 'nn.GRU')
      // On a busy machine the list may be drawn anew in between, with nothing chosen.
      const chosen = 'document.querySelector("#tsd-search-results [aria-selected=true]") !== null'
      for (let i = 0; i === 0 || (await browser.evaluate(chosen)) !== true; i += 1) {
        if (i === 20) throw new Error('no result can be chosen')
        await browser.press('ArrowDown', 40)
      }
      await browser.load(() => browser.press('Enter', 13))
      expect(await browser.evaluate('document.querySelector("h1").textContent')).toContain('GRU')
    } finally {
      server.close()
    }
  }, 120_000)

  test.each(['light', 'dark'])(
    'pages can be read in %s, wide and narrow',
    async (scheme) => {
      const features = [{ name: 'prefers-color-scheme', value: scheme }]
      await browser.call('Emulation.setEmulatedMedia', { features })
      for (const width of [360, 1280]) {
        const screen = { width, height: 800, deviceScaleFactor: 1, mobile: width < 500 }
        await browser.call('Emulation.setDeviceMetricsOverride', screen)
        for (const path of [
          'modules/_elman_rnn.nn.html',
          'classes/_elman_rnn.Tensor.html',
          'classes/_elman_rnn.nn.LSTM.html',
          'modules.html',
          'index.html',
        ]) {
          await browser.goTo(pathToFileURL(join(folder, path)).href)
          expect(
            await browser.evaluate('document.documentElement.scrollWidth'),
          ).toBeLessThanOrEqual(width)
          const contrast = await browser.evaluate(`(() => {
          const brightness = (colour) => {
            const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((value) =>
              value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4)
            return 0.2126 * r + 0.7152 * g + 0.0722 * b
          }
          const back = brightness(getComputedStyle(document.body).backgroundColor)
          const texts = document.querySelectorAll('.tsd-typography p, .elman-index th, dt a')
          return Math.min(...[...texts].map((text) => {
            const [low, high] = [brightness(getComputedStyle(text).color), back].sort((a, b) => a - b)
            return (high + 0.05) / (low + 0.05)
          }))
        })()`)
          expect(contrast, `${path}, ${width}`).toBeGreaterThan(4.5)
          // A summary stands beside its name, or below it where there is no room.
          const beside = await browser.evaluate(`(() => {
          const [name, summary] = [...document.querySelectorAll(
            '.elman-index tr:has(td) td, dl.tsd-member-summaries:first-of-type > *')].map((one) => one.getBoundingClientRect())
          return name === undefined ? null : summary.left >= name.right - 1 && summary.top < name.bottom
        })()`)
          expect(beside, `${path}, ${width}`).toBe(path === 'index.html' ? null : width > 500)
        }
      }
      expect(browser.errors).toEqual([])
    },
    120_000,
  )
})
