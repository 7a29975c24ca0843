/**
 * The addresses of the Node transports, read and written: `tcp://host:port`, `unix:///path`, `ws://host:port/path`.
 */
import { RpcError } from '../error.ts'

/** Where to connect to or listen at. IPv6 hosts stand without brackets here. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** The longest path that the name of a Unix socket holds on Linux; its terminating zero is the 108th byte. */
export const MAX_UNIX_PATH_BYTES = 107

function parse(address: string, scheme: string, expected: string): URL {
  const refuse = (): TypeError =>
    new TypeError(`${JSON.stringify(address)} is no ${scheme} address: expected ${expected}`)
  let url: URL
  try {
    url = new URL(address)
  } catch {
    // The parser's message names neither what it read nor what it wants.
    throw refuse()
  }
  if (url.protocol !== `${scheme}:` || url.hostname === '' || url.username !== '' || url.hash !== '') throw refuse()
  return url
}

function bare(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}

/** Reads `tcp://host:port`; throws a `TypeError` that says what was expected. */
export function parseTcp(address: string): HostPort {
  const expected = 'tcp://host:port, the port up to 65535, an IPv6 host in brackets'
  const url = parse(address, 'tcp', expected)
  if (url.port === '' || !['', '/'].includes(url.pathname) || url.search !== '') {
    throw new TypeError(`${JSON.stringify(address)} is no tcp address: expected ${expected}`)
  }
  return { host: bare(url.hostname), port: Number(url.port) }
}

/** Reads `ws://host:port/path` or `wss://...` for listening; the port is 80 or 443 where none stands. Throws a `TypeError`. */
export function parseWs(address: string): HostPort & { readonly path: string; readonly secure: boolean } {
  const secure = /^wss:/i.test(address)
  const scheme = secure ? 'wss' : 'ws'
  const url = parse(address, scheme, `${scheme}://host:port/path, the port up to 65535`)
  const usual = secure ? 443 : 80
  return { host: bare(url.hostname), port: url.port === '' ? usual : Number(url.port), path: url.pathname, secure }
}

/**
 * The path in `unix:///path` or `unix:/path`, as it stands (nothing is decoded). Throws a `TypeError` where it is not
 * absolute or too long for the name of a socket.
 */
export function parseUnix(address: string): string {
  const path = /^unix:(?:\/\/)?(\/(?!\/).*)$/s.exec(address)?.[1]
  if (path === undefined || path.includes('\0')) {
    throw new TypeError(`${JSON.stringify(address)} is no unix address: expected unix:///absolute/path`)
  }
  const bytes = Buffer.byteLength(path)
  if (bytes > MAX_UNIX_PATH_BYTES) {
    throw new TypeError(
      `${address}: a path of ${bytes} bytes is over the ${MAX_UNIX_PATH_BYTES} that a Unix socket can have`,
    )
  }
  return path
}

/** `host:port` as it stands in a URL: IPv6 in brackets, IPv4 without the prefix that a socket for both puts before it. */
export function hostPort(host: string, port: number): string {
  const plain = host.replace(/^::ffff:(?=\d+\.)/, '')
  return plain.includes(':') ? `[${plain}]:${port}` : `${plain}:${port}`
}

/** What the system says about a failure, also where it is one error for each address of a name. */
export function reasonOf(error: Error): string {
  const each = error instanceof AggregateError ? error.errors.map(one => reasonOf(one as Error)).join('; ') : ''
  return each || error.message || (error as NodeJS.ErrnoException).code || error.name
}

/** The error of a dial that did not get through. */
export function unreachable(address: string, error: Error): RpcError {
  const message = `cannot reach ${address}: ${reasonOf(error)}`
  return new RpcError('rpc_unreachable', message, { address, executed: 'no', cause: error })
}

/** The error of a listener that could not bind, or not go on. */
export function cannotListen(address: string, error: Error): Error {
  return new Error(`cannot listen at ${address}: ${reasonOf(error)}`, { cause: error })
}
