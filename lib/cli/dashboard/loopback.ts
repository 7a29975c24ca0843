/**
 * Who may talk to the dashboard: pages that it has served itself, and programs of this machine.
 */
import type { IncomingHttpHeaders } from 'node:http'

/** Names of this machine, as they stand in a URL. */
const NAMES = ['127.0.0.1', 'localhost', '[::1]']
const LOOPBACK = /^(?:::ffff:)?127\.\d+\.\d+\.\d+$|^::1$/

/** Is this the address of a socket on this machine? */
export function isLoopback(address: string | undefined): boolean {
  return address !== undefined && LOOPBACK.test(address)
}

/** The same of the far end of a link: `ws://127.0.0.1:50312`. */
export function isLoopbackUrl(url: string): boolean {
  return isLoopback(/^\w+:\/\/\[?(.*?)\]?:\d+$/.exec(url)?.[1])
}

/**
 * Why a request is turned away, or `undefined`. The name that it was sent to must be one of this machine: a page of somewhere else whose
 * name was pointed at this address (DNS rebinding) has another one. An `Origin`, which browsers send with every WebSocket, must be the
 * dashboard's own; programs that send none could say anything.
 */
export function refusal({ host, origin }: IncomingHttpHeaders, port: number): string | undefined {
  const hosts = NAMES.map(name => `${name}:${port}`)
  // Without the port where it is that of http.
  if (port === 80) hosts.push(...NAMES)
  if (host === undefined || !hosts.includes(host.toLowerCase())) return `${host ?? 'no host'} is no name of this server`
  if (origin === undefined || hosts.some(name => origin === `http://${name}`)) return undefined
  return `pages of ${origin} may not connect here`
}
