/**
 * The handlers of `Demo`, of one server.
 */
import { map, timer } from 'rxjs'
import { type Implementation, implement, type StreamHandlerCall } from '../../service/handlers.ts'
import type { Backend } from './backend.ts'
import { Demo, type Figures, type ProducerOrder, type ServerNumber } from './contract.ts'
import { isLoopbackUrl } from './loopback.ts'
import type { PageLinks } from './page-links.ts'
import type { Producers } from './producers.ts'

/** What the handlers reach. */
export interface DemoFacts {
  readonly links: PageLinks
  readonly producers: Producers
  /** Both servers, once they are made. */
  readonly backends: () => readonly Backend[]
}

/** So that the answer leaves before its connection breaks. */
const SOON_MS = 50

/** The handlers of server `from`. */
export function demo(from: ServerNumber, { links, producers, backends }: DemoFacts): Implementation {
  const figures = (address: string): Figures => {
    const { rss, heapUsed } = process.memoryUsage()
    return {
      at: Date.now(),
      from,
      servers: backends().map(backend => backend.figures),
      producers: producers.figures(address),
      residentBytes: rss,
      heapBytes: heapUsed,
    }
  }
  const push = ({ perSecond }: ProducerOrder, call: StreamHandlerCall<string>) =>
    producers.pushing(call.peer.address, perSecond, call)
  const only = ({ peer, fail }: Pick<StreamHandlerCall<string>, 'peer' | 'fail'>): void => {
    if (!isLoopbackUrl(peer.address)) throw fail('this is for callers on the same machine only')
  }
  const meant = (server: number): readonly Backend[] =>
    backends().filter(({ number }) => server === 0 || number === server)

  return implement(Demo, {
    figures: ({ everyMs }, { peer }) => timer(0, everyMs).pipe(map(() => figures(peer.address))),
    pausing: ({ perSecond }, { peer }) => producers.pausing(peer.address, perSecond, () => performance.now()),
    latest: push,
    conflated: push,
    dropping: push,
    kill: (_, call) => {
      only(call)
      timer(SOON_MS).subscribe({ next: () => links.kill(call.peer.address), error: () => links.destroy() })
    },
    stall: ({ forMs }, call) => {
      only(call)
      timer(SOON_MS).subscribe({ next: () => links.stall(call.peer.address, forMs), error: () => links.destroy() })
    },
    drain: ({ server, forMs }, call) => {
      only(call)
      for (const backend of meant(server)) backend.drain(forMs)
    },
    outage: ({ server, forMs }, call) => {
      only(call)
      for (const backend of meant(server)) backend.outage(forMs)
    },
  })
}
