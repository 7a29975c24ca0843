/**
 * Which web pages may connect: browsers name a page's origin with every WebSocket, and no page can change that.
 */
import type { IncomingHttpHeaders } from 'node:http'

/** The origins as browsers send them; `undefined` stands for all. Throws a `TypeError` for what is none. */
export function originsOf(origins: readonly string[] | undefined): ReadonlySet<string> | undefined {
  for (const origin of origins ?? []) {
    if (URL.canParse(origin) && new URL(origin).origin === origin) continue
    throw new TypeError(`${JSON.stringify(origin)} is no origin: expected scheme://host or scheme://host:port, no path`)
  }
  return origins === undefined ? undefined : new Set(origins)
}

/** What a page that may not connect is told; nothing for one that may, and for a program, which sends no `Origin`, or any. */
export function refusedOrigin(
  { origin }: IncomingHttpHeaders,
  origins: ReadonlySet<string> | undefined,
): string | undefined {
  const refused = origin !== undefined && origins?.has(origin) === false
  return refused ? `pages of ${origin} may not connect here` : undefined
}
