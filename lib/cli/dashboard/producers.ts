/**
 * Producers of readings, and what they count: one that waits for whoever takes its items, and one that cannot wait.
 */
import { finalize, interval, mergeMap, Observable, range, type SchedulerLike, timer } from 'rxjs'
import { type ProducerFigures, type Reading, SENSORS } from './contract.ts'

/** Between two bursts of a producer. */
const BURST_MS = 10
const TEXT = 'razor '.repeat(160)

/** What the producers of one connection have done. */
class Counts {
  made = 0
  /** By producers that are over. */
  dropped = 0
  readonly running = new Set<{ readonly dropped: number; readonly waiting: boolean }>()

  get figures(): ProducerFigures {
    let { dropped } = this
    let waiting = 0
    for (const producer of this.running) {
      dropped += producer.dropped
      if (producer.waiting) waiting++
    }
    return { made: this.made, dropped, running: this.running.size, waiting }
  }

  reading(): Reading {
    const n = ++this.made
    return { n, sensor: n % SENSORS, text: TEXT }
  }
}

const NONE: ProducerFigures = { made: 0, dropped: 0, running: 0, waiting: 0 }

/** The producers of all connections, by the address of the far end. */
export class Producers {
  readonly #counts = new Map<string, Counts>()

  /** Those of one connection. */
  figures(address: string): ProducerFigures {
    return this.#counts.get(address)?.figures ?? NONE
  }

  /** Forgets a connection. */
  forget(address: string): void {
    this.#counts.delete(address)
  }

  /** At most `perSecond` readings a second, each made when it is asked for: whoever does not ask holds it. */
  async *pausing(address: string, perSecond: number, now: () => number): AsyncGenerator<Reading> {
    const counts = this.#of(address)
    const producer = { dropped: 0, waiting: false }
    counts.running.add(producer)
    try {
      let made = 0
      let since = now()
      for (;;) {
        const due = ((now() - since) / 1000) * perSecond
        // Who could not go on for a while has nothing to make up for.
        if (due - made > perSecond) {
          since = now()
          made = 0
        }
        if (made >= due) {
          await pause(BURST_MS)
          continue
        }
        made++
        const reading = counts.reading()
        producer.waiting = true
        yield reading
        producer.waiting = false
      }
    } finally {
      counts.running.delete(producer)
    }
  }

  /** `perSecond` readings a second, whether they are taken or not; `call` tells what became of them. */
  pushing(
    address: string,
    perSecond: number,
    call: { readonly dropped: number; readonly demand$: Observable<boolean> },
    scheduler?: SchedulerLike,
  ): Observable<Reading> {
    return new Observable<Reading>(subscriber => {
      const counts = this.#of(address)
      const producer = {
        waiting: false,
        get dropped(): number {
          return call.dropped
        },
      }
      counts.running.add(producer)
      subscriber.add(
        call.demand$.subscribe({
          next: wanted => {
            producer.waiting = !wanted
          },
          error: error => subscriber.error(error),
        }),
      )
      const perBurst = Math.max(1, Math.round((perSecond * BURST_MS) / 1000))
      return interval((perBurst / perSecond) * 1000, scheduler)
        .pipe(
          mergeMap(() => range(0, perBurst)),
          finalize(() => {
            counts.dropped += call.dropped
            counts.running.delete(producer)
          }),
        )
        .subscribe({ next: () => subscriber.next(counts.reading()), error: error => subscriber.error(error) })
    })
  }

  #of(address: string): Counts {
    let counts = this.#counts.get(address)
    if (counts === undefined) {
      counts = new Counts()
      this.#counts.set(address, counts)
    }
    return counts
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve, reject) => timer(ms).subscribe({ next: () => resolve(), error: reject }))
}
