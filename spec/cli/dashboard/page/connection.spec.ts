/** The page's client has a connection to each of its servers. */
import { describe, it } from 'node:test'
import { defer, EMPTY, Subject, throwError } from 'rxjs'
import { standsBy } from '../../../../lib/cli/dashboard/page/connection.ts'
import type { ClientState, PoolStats } from '../../../../lib/index.ts'
import { marbles } from '../../../support/marbles.ts'

/** A client whose second server is in these states, second by second; notes when it is asked to dial. */
function client(states: readonly ClientState[], fails = false) {
  const dialled$ = new Subject<string>()
  let second = 0
  return {
    dialled$,
    stats: () => ({ addresses: [{ state: 'ready' }, { state: states[second++] ?? 'ready' }] }) as unknown as PoolStats,
    prewarm: () =>
      defer(() => {
        dialled$.next('d')
        return fails ? throwError(() => new Error('down')) : EMPTY
      }),
  }
}

describe('the servers that stand by', () => {
  it(
    'are dialled where they are idle, and left alone where the client sees to them',
    marbles(({ expectObservable }) => {
      const page = client(['idle', 'connecting', 'unhealthy', 'idle'])
      expectObservable(page.dialled$, '^ 4500ms !').toBe('d 2999ms d')
      expectObservable(standsBy(page), '4500ms !').toBe('-')
    }),
  )

  it(
    'are tried again where they cannot be had',
    marbles(({ expectObservable }) => {
      const page = client(['idle', 'idle'], true)
      expectObservable(page.dialled$, '^ 2500ms !').toBe('d 999ms d')
      expectObservable(standsBy(page), '2500ms !').toBe('-')
    }),
  )
})
