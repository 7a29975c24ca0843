/**
 * How many connections are too many.
 */
import type { ServerConfig } from './config.ts'

const LOOPBACK = /^(127\.|\[?::1\]?$|\[?::ffff:127\.|localhost$)/

/** Groups of an IPv6 address that name its network: whoever has a network, /64 as a rule, has all the addresses in it. */
const NETWORK_GROUPS = 4
const GROUPS = 8

/** Connections that are open, by where they come from: see {@link networkOf}. */
type Open = ReadonlySet<{ readonly network: string | undefined }>

/** Says which limit one more connection from `network` is over, or nothing where it may stay. */
export function tooMany(
  network: string | undefined,
  open: Open,
  config: Pick<ServerConfig, 'maxServerConnections' | 'maxPerAddress'>,
): string | undefined {
  if (open.size >= config.maxServerConnections) {
    return `${open.size} connections are open, maxServerConnections is ${config.maxServerConnections}`
  }
  if (network === undefined) return undefined
  let fromThere = 0
  for (const other of open) if (other.network === network) fromThere++
  return fromThere < config.maxPerAddress
    ? undefined
    : `${fromThere} connections are open from ${network}, maxPerAddress is ${config.maxPerAddress}`
}

/**
 * What counts as one place of a URL such as `tcp://10.0.0.1:4000`: the IPv4 address, or the IPv6 network. `undefined` where it is
 * this machine (loopback, Unix sockets, memory), which counts only in all.
 */
export function networkOf(address: string): string | undefined {
  const host = /^(?:tcp|wss?):\/\/(.*):\d+$/.exec(address)?.[1]
  if (host === undefined || LOOPBACK.test(host)) return undefined
  return host.startsWith('[') ? `${ipv6Network(host.slice(1, -1))}::/64` : host
}

function ipv6Network(host: string): string {
  const [front = '', back] = host.split('::')
  const groups = groupsOf(front)
  if (back !== undefined) {
    const missing = GROUPS - groups.length - groupsOf(back).length
    groups.push(...new Array<string>(Math.max(missing, 0)).fill('0'), ...groupsOf(back))
  }
  return groups.slice(0, NETWORK_GROUPS).join(':')
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':')
}
