/**
 * How many connections are too many.
 */
import type { Link } from '../transport/link.ts'
import type { ServerConfig } from './config.ts'

const LOOPBACK = /^(127\.|\[?::1\]?$|\[?::ffff:127\.|localhost$)/

/** Says which limit one more link is over, or nothing where it may stay. Loopback, Unix sockets and memory count only in all. */
export function tooMany(
  link: Pick<Link, 'address'>,
  connections: ReadonlySet<{ readonly address: string }>,
  config: Pick<ServerConfig, 'maxServerConnections' | 'maxPerAddress'>,
): string | undefined {
  if (connections.size >= config.maxServerConnections) {
    return `${connections.size} connections are open, maxServerConnections is ${config.maxServerConnections}`
  }
  const host = hostOf(link.address)
  if (host === undefined) return undefined
  let fromThere = 0
  // Looked for first: there may be thousands of others, and reading an address takes longer.
  for (const { address } of connections) if (address.includes(host) && hostOf(address) === host) fromThere++
  return fromThere < config.maxPerAddress
    ? undefined
    : `${fromThere} connections are open from ${host}, maxPerAddress is ${config.maxPerAddress}`
}

/** The host of a URL such as `tcp://10.0.0.1:4000`; `undefined` where it is this machine. */
function hostOf(address: string): string | undefined {
  const host = /^(?:tcp|wss?):\/\/(.*):\d+$/.exec(address)?.[1]
  return host === undefined || LOOPBACK.test(host) ? undefined : host
}
