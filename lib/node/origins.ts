/**
 * Which web pages may connect: browsers name a page's origin with every WebSocket, and no page can change that.
 */
import type { IncomingHttpHeaders } from 'node:http'

/** Among origins: the pages of servers on the same machine, at any port. */
const LOOPBACK = 'loopback'

/** What browsers send for those; to them all of `localhost` is the same machine. */
const LOOPBACK_ORIGIN = /^https?:\/\/(?:(?:[^/@]+\.)?localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$/

/** Those who may connect. */
export interface Origins {
  /** As browsers send them. */
  readonly named: ReadonlySet<string>
  readonly loopback: boolean
}

/** The origins of a list that may have the word `loopback` in it; `undefined` stands for all. Throws a `TypeError` for what is none. */
export function originsOf(origins: readonly string[] | undefined): Origins | undefined {
  if (origins === undefined) return undefined
  const named = new Set(origins)
  const loopback = named.delete(LOOPBACK)
  for (const origin of named) {
    if (URL.canParse(origin) && new URL(origin).origin === origin) continue
    const expected = 'expected scheme://host or scheme://host:port, no path, or the word loopback'
    throw new TypeError(`${JSON.stringify(origin)} is no origin: ${expected}`)
  }
  return { named, loopback }
}

/** What a page that may not connect is told; nothing for one that may, and for a program, which sends no `Origin`, or any. */
export function refusedOrigin({ origin }: IncomingHttpHeaders, origins: Origins | undefined): string | undefined {
  if (origin === undefined || origins === undefined || origins.named.has(origin)) return undefined
  if (origins.loopback && LOOPBACK_ORIGIN.test(origin)) return undefined
  return `pages of ${origin} may not connect here`
}
