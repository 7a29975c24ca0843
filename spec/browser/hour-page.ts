/**
 * The machine's panel of the dashboard on its own, fed with made-up samples: hours of them in a moment.
 */
import { asyncScheduler, NEVER, Subject } from 'rxjs'
import { machinePanel } from '../../lib/cli/dashboard/page/machine-panel.ts'
import type { Sample } from '../../lib/cli/services/host-contract.ts'

const samples$ = new Subject<Sample>()
const ticks$ = new Subject<void>()
const errors: string[] = []
const began = asyncScheduler.now() - 3_600_000 * 24
let second = 0

const page = {
  start: () => {
    machinePanel({ samples$, ticks$, looks$: NEVER, failed: error => errors.push(String(error)) })
  },
  /** So many seconds go by; it is drawn once a minute of them. */
  pass: (seconds: number) => {
    for (let n = 0; n < seconds; n++) {
      samples$.next(sample(++second))
      if (second % 60 === 0) ticks$.next()
    }
    return errors
  },
}

function sample(n: number): Sample {
  const busy = 50 + 50 * Math.sin(n / 40)
  return {
    at: began + n * 1_000,
    load: { averages: [1, 1, 1], percent: busy, corePercents: [busy, 100 - busy, 0, 100] },
    memory: { totalBytes: 8e9, activeBytes: 4e9 + n, availableBytes: 4e9, swapTotalBytes: 0, swapUsedBytes: 0 },
    network: [
      { name: 'lo', receivedBytes: n, sentBytes: n, receivedBytesPerSecond: n * 10, sentBytesPerSecond: n * 5 },
    ],
    disk: { readBytesPerSecond: n, writtenBytesPerSecond: n * 2 },
  }
}

/** The page as the spec sees it. */
export type HourPage = typeof page

Object.assign(globalThis, { page })
