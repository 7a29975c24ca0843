/** When the page draws, and when it calls. */
import { describe, it } from 'node:test'
import { map } from 'rxjs'
import { dueCalls } from '../../../../lib/cli/dashboard/page/due-calls.ts'
import { ticksWhile } from '../../../../lib/cli/dashboard/page/visible.ts'
import { marbles } from '../../../support/marbles.ts'

describe('the ticks of a page', () => {
  it(
    'come while it can be seen, and at once when it can be seen again',
    marbles(({ hot, expectObservable }) => {
      const visible$ = hot('t-----f------t---f', { t: true, f: false })
      expectObservable(ticksWhile(visible$, 2).pipe(map(() => 'x')), '^-----------------!').toBe('x-x-x--------x-x--')
    }),
  )

  it(
    'do not start anew where nothing changed',
    marbles(({ hot, expectObservable }) => {
      const visible$ = hot('t--t--f', { t: true, f: false })
      expectObservable(ticksWhile(visible$, 4).pipe(map(() => 'x')), '^------!').toBe('x---x---')
    }),
  )
})

describe('the calls that are due', () => {
  it(
    'are as many a second as were asked for',
    marbles(({ cold, expectObservable }) => {
      expectObservable(dueCalls(cold('a', { a: 60 })), '201ms !').toBe('50ms a 49ms a 49ms a 49ms a', { a: 3 })
    }),
  )

  it(
    'are put together where there are less than one a turn',
    marbles(({ cold, expectObservable }) => {
      expectObservable(dueCalls(cold('a', { a: 10 })), '301ms !').toBe('100ms a 99ms a 99ms a', { a: 1 })
    }),
  )

  it(
    'are none at a rate of 0, and follow the rate',
    marbles(({ cold, expectObservable }) => {
      const rate$ = cold('a 99ms b', { a: 0, b: 100 })
      expectObservable(dueCalls(rate$), '201ms !').toBe('150ms a 49ms a', { a: 5 })
    }),
  )

  it(
    'are not made up for where a timer came late, as in a page in the background',
    marbles(({ cold, expectObservable }) => {
      let now = 0
      const late = {
        now: () => now,
        schedule: (work: (state?: unknown) => void, delay = 0) =>
          cold('a|').subscribe({
            next: () => {
              now += delay + 60_000
              if (now < 200_000) work.call({ schedule: () => undefined } as never)
            },
          }),
      }
      expectObservable(dueCalls(cold('a', { a: 100 }), late as never)).toBe('a', { a: 20 })
    }),
  )
})
