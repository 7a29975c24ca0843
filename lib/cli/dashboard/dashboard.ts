/**
 * The dashboard: one process, one port on loopback, a page, and two servers for it to call.
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Subscription } from 'rxjs'
import { calculator } from '../services/calculator.ts'
import { host } from '../services/host.ts'
import { type Assets, answer, readAssets } from './assets.ts'
import { Backend } from './backend.ts'
import type { ServerFigures } from './contract.ts'
import { demo } from './demo.ts'
import { Journal } from './journal.ts'
import { PageLinks } from './page-links.ts'
import { Producers } from './producers.ts'

/** The log that the page shows, in the dashboard's folder. */
export const LOG_FILE = 'dashboard.log'

/** A page is a few files and two connections; who asks for them slowly does not get them. */
const REQUEST_TIMEOUT_MS = 10_000

/** How a dashboard is opened. */
export interface DashboardOptions {
  /** 0: any that is free. */
  readonly port: number
  /** Its files, the log among them. Default: a new folder for temporary files, which goes when it closes. */
  readonly folder?: string | undefined
  /** Where the built page is. Default: where the build puts it. */
  readonly page?: string | undefined
  /** Hears of what no caller is told. */
  readonly failed: (error: unknown) => void
}

/** A dashboard that is open. */
export class Dashboard {
  /** What to open in a browser. */
  readonly url: string
  readonly folder: string
  readonly #http: Server
  readonly #links = new PageLinks()
  readonly #producers = new Producers()
  readonly #journal: Journal
  readonly #backends: readonly Backend[]
  readonly #forgetting: Subscription
  readonly #isOwnFolder: boolean

  private constructor(http: Server, folder: string, isOwnFolder: boolean, failed: (error: unknown) => void) {
    const { port } = http.address() as AddressInfo
    this.url = `http://127.0.0.1:${port}/`
    this.folder = folder
    this.#isOwnFolder = isOwnFolder
    this.#http = http
    this.#journal = new Journal(join(folder, LOG_FILE), failed)
    const facts = { http, links: this.#links, journal: this.#journal }
    const reach = { links: this.#links, producers: this.#producers, backends: () => this.#backends }
    // One machine, looked at once for both.
    const machine = host({ folder })
    const numbers = [1, 2] as const
    this.#backends = numbers.map(number => new Backend(number, facts, from => [calculator, machine, demo(from, reach)]))
    this.#forgetting = this.#links.closed$.subscribe({
      next: address => this.#producers.forget(address),
      error: failed,
    })
  }

  /** Opens one; rejects where the page is not built, the port is not free or the folder is none. */
  static async open({ port, folder, page, failed }: DashboardOptions): Promise<Dashboard> {
    const assets = await readAssets(page)
    const own = folder === undefined ? await mkdtemp(join(tmpdir(), 'razor-dashboard-')) : undefined
    try {
      const http = await listen(assets, port)
      try {
        const dashboard = new Dashboard(http, folder ?? own ?? '', own !== undefined, failed)
        await Promise.all(dashboard.#backends.map(backend => backend.start()))
        return dashboard
      } catch (error) {
        http.close()
        throw error
      }
    } catch (error) {
      if (own !== undefined) await rm(own, { recursive: true, force: true })
      throw error
    }
  }

  /** Both servers. */
  stats(): readonly ServerFigures[] {
    return this.#backends.map(backend => backend.figures)
  }

  /** What other programs of this machine can call. */
  get addresses(): string[] {
    return this.#backends.map(({ path }) => `${this.url.replace('http:', 'ws:').replace(/\/$/, '')}${path}`)
  }

  /** Finishes running calls, `graceMs` at most, and closes everything. May be called again, to be done sooner. */
  async close(graceMs = 0): Promise<void> {
    this.#http.close()
    await Promise.all(this.#backends.map(backend => backend.close({ graceMs, waitMs: graceMs })))
    this.#links.destroy()
    this.#http.closeAllConnections()
    this.#forgetting.unsubscribe()
    await this.#journal.close()
    if (this.#isOwnFolder) await rm(this.folder, { recursive: true, force: true })
  }
}

async function listen(assets: Assets, port: number): Promise<Server> {
  const times = { headersTimeout: REQUEST_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS }
  const http = createServer(times)
  http.listen({ host: '127.0.0.1', port })
  await once(http, 'listening')
  const real = (http.address() as AddressInfo).port
  http.on('request', (request, response) => answer(assets, real, request, response))
  return http
}
