/**
 * What two linked ends still have.
 */
import type { Client } from '../connect.ts'
import type { RpcServer } from '../rpc-server.ts'
import type { Listener } from '../transport/link.ts'
import type { PairLink } from './pair-link.ts'

/** Each thing that is left, as a line; an idle link is none, unless the pair is `closed`. */
export function leaks(
  client: Client,
  server: RpcServer<Listener>,
  links: readonly PairLink[],
  closed: boolean,
): string[] {
  const { waiting, inFlight } = client.stats()
  const { slots, leaving, waitingBytes, itemBytes } = client.holdings
  const { calls, connections, heldBytes } = server.stats()
  const open = links.filter(link => !link.near.ended)
  const named = open.flatMap(link => link.calls).map(({ seq, action }) => `${seq} ${action}`)
  const frames = links.reduce((sum, link) => sum + link.frames, 0)
  const orphans = connections - open.length
  const left: string[] = []
  const say = (count: number, what: (count: string) => string): void => {
    if (count > 0) left.push(what(String(count)))
  }
  say(waiting, n => `${n} calls wait in the client, with ${waitingBytes} bytes`)
  say(inFlight, n => `${n} calls or pings of the client are not answered, ${leaving} of them given up`)
  say(named.length, n => `${n} calls have a slot on the wire (${named.join(', ')})`)
  say(slots - inFlight, n => `${n} slots of the client are taken by no call`)
  say(itemBytes, n => `${n} bytes of items wait for subscribers of the client`)
  say(calls, n => `${n} calls run on the server`)
  say(heldBytes, n => `${n} bytes are held by handlers`)
  say(frames, n => `${n} frames have not arrived`)
  say(orphans, n => `${n} connections of the server have lost their client`)
  if (closed) say(open.length, n => `${n} links are open`)
  return left
}
