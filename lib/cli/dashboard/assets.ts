/**
 * The dashboard's page: a fixed list of files, read once and kept. A request names one of them or gets nothing; no path is ever looked
 * up in a folder.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import { refusal } from './loopback.ts'

/** Where the build puts the files: `dist/dashboard/`, seen from `dist/cli/dashboard/`. */
export const PAGE_FOLDER: string = fileURLToPath(new URL('../../dashboard/', import.meta.url))

/** By path: the file, and what it is. */
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/page.css': ['page.css', 'text/css; charset=utf-8'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
}

interface Asset {
  readonly type: string
  readonly bytes: Buffer
  readonly tag: string
}

/** By path. */
export type Assets = ReadonlyMap<string, Asset>

/** Reads the files of `folder`; rejects where one is missing, and says what to do. */
export async function readAssets(folder: string = PAGE_FOLDER): Promise<Assets> {
  try {
    const entries = Object.entries(FILES).map(async ([path, [file, type]]) => {
      const bytes = await readFile(`${folder}/${file}`)
      const tag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
      return [path, { type, bytes, tag }] as const
    })
    return new Map(await Promise.all(entries))
  } catch (error) {
    throw new Error(`the dashboard's page is not there (${(error as Error).message}): npm run build makes it`)
  }
}

/**
 * What the page may do: run its own script and style, and talk to this very port. No inline script or style, no eval, no frame, and
 * nothing from anywhere else.
 */
export function securityHeaders(port: number): OutgoingHttpHeaders {
  const policy = [
    "default-src 'self'",
    // Not every browser takes the WebSockets of a page's own origin for 'self'.
    `connect-src 'self' ws://127.0.0.1:${port} ws://localhost:${port}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "object-src 'none'",
    "require-trusted-types-for 'script'",
  ]
  return {
    'content-security-policy': policy.join('; '),
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=()',
    'cache-control': 'no-cache',
  }
}

/** Answers a request for a file at `port`. */
export function answer(assets: Assets, port: number, request: IncomingMessage, response: ServerResponse): void {
  const { method, url = '/', headers } = request
  const say = (status: number, text: string, more: OutgoingHttpHeaders = {}): void => {
    response.writeHead(status, { ...securityHeaders(port), 'content-type': 'text/plain; charset=utf-8', ...more })
    response.end(method === 'HEAD' ? undefined : `${text}\n`)
  }
  const reason = refusal(headers, port)
  if (reason !== undefined) return say(403, reason)
  const query = url.indexOf('?')
  const asset = assets.get(query < 0 ? url : url.slice(0, query))
  if (asset === undefined) return say(404, 'no such page')
  if (method !== 'GET' && method !== 'HEAD') return say(405, 'this can only be read', { allow: 'GET, HEAD' })
  const known = { ...securityHeaders(port), etag: asset.tag }
  if (headers['if-none-match'] === asset.tag) {
    response.writeHead(304, known)
    response.end()
    return
  }
  response.writeHead(200, { ...known, 'content-type': asset.type, 'content-length': asset.bytes.length })
  response.end(method === 'HEAD' ? undefined : asset.bytes)
}
