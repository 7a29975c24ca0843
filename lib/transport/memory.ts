/**
 * Links inside one process: a linked pair, and listeners under a name, for specs, for a server and a client in one program,
 * and for virtual time.
 */
import { Observable, queueScheduler, type SchedulerLike, Subject } from 'rxjs'
import { RpcError } from '../error.ts'
import type { Bound, Dialer, Link, Listener } from './link.ts'
import { MemoryLink } from './memory-link.ts'

/** What a pair of links in memory can be told. */
export interface MemoryOptions {
  /**
   * Where bytes are delivered. Default `queueScheduler`: inside the `send` that wrote them, or, where that `send` was itself
   * called during a delivery, right after it; so never recursively.
   */
  readonly scheduler?: SchedulerLike | undefined
}

/**
 * Two links that are each other's far end. What one sends, the other takes, by reference. Bytes that the other end holds back
 * (paused, or not subscribed yet) count as the sender's `unsentBytes`, without a limit of its own.
 */
export function memoryPair(options: MemoryOptions = {}): [Link, Link] {
  return MemoryLink.pair('memory:pair', options.scheduler ?? queueScheduler)
}

/** Who listens under which name, in this process (and in this copy of the package). */
const LISTENERS = new Map<string, (link: Link) => void>()

function nameOf(address: string): string {
  const name = address.startsWith('memory:') ? address.slice('memory:'.length).replace(/^\/\//, '') : ''
  if (name === '') throw new Error(`${JSON.stringify(address)} is no address of this transport: expected memory:NAME`)
  return name
}

/** Dials the listener of this process that has the name, at once. `address` is `memory:NAME`. */
export function memoryDialer(address: string, options: MemoryOptions = {}): Dialer {
  const refused = (reason: string): RpcError =>
    new RpcError('rpc_unreachable', `cannot reach ${address}: ${reason}`, { address, executed: 'no' })
  return {
    address,
    dial: () =>
      new Observable<Link>(subscriber => {
        let accept: ((link: Link) => void) | undefined
        try {
          accept = LISTENERS.get(nameOf(address))
        } catch (error) {
          subscriber.error(refused((error as Error).message))
          return
        }
        if (accept === undefined) {
          subscriber.error(refused('nobody listens under this name in this process'))
          return
        }
        const [near, far] = MemoryLink.pair(address, options.scheduler ?? queueScheduler)
        accept(far)
        if (subscriber.closed) near.destroy()
        else subscriber.next(near)
        subscriber.complete()
      }),
  }
}

/** Listens under a name of this process. `address` is `memory:NAME`; fails where the name is taken. */
export function memoryListener(address: string): Listener {
  return {
    listen: () =>
      new Observable<Bound>(subscriber => {
        let name: string
        try {
          name = nameOf(address)
        } catch (error) {
          subscriber.error(error)
          return
        }
        if (LISTENERS.has(name)) {
          subscriber.error(new Error(`cannot listen at ${address}: the name is taken in this process`))
          return
        }
        const links = new Subject<Link>()
        LISTENERS.set(name, link => {
          if (links.observed) links.next(link)
          else link.destroy()
        })
        subscriber.add(() => {
          LISTENERS.delete(name)
          links.complete()
        })
        subscriber.next({ address, links$: links.asObservable() })
      }),
  }
}
