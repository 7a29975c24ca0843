/**
 * The demultiplexer: what reaches a route, what reaches the result, and how each ends.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Observer, of, Subject, take, tap } from 'rxjs'
import { demux } from '../../lib/flow/demux.ts'
import { marbles } from '../support/marbles.ts'

/** In the diagrams a frame is `route` and a digit, such as `a1`; its marble is any letter. */
const FRAMES = { a: 'a1', b: 'a2', x: 'x1', y: 'x2', z: 'z1' }
const keyOf = (frame: string): string => frame[0]!

interface Routed {
  readonly routes: Map<string, Observer<string>>
  readonly a$: Subject<string>
  readonly x$: Subject<string>
}

function twoRoutes(): Routed {
  const a$ = new Subject<string>()
  const x$ = new Subject<string>()
  const routes = new Map<string, Observer<string>>([
    ['a', a$],
    ['x', x$],
  ])
  return { routes, a$, x$ }
}

describe('demux', () => {
  it(
    'hands each frame to the route of its key, and emits those that nobody stands for',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const { routes, a$, x$ } = twoRoutes()
      const source = hot(' -a-x-z-(ab)-y-|', FRAMES)
      const expected = '   -----z---------|'
      const toA = '        -a-----(ab)---|'
      const toX = '        ---x---------y-|'.slice(0, -2)
      const subs = '       ^--------------!'
      expectObservable(source.pipe(demux(keyOf, routes))).toBe(expected, FRAMES)
      expectObservable(a$).toBe(toA, FRAMES)
      expectObservable(x$).toBe(toX, FRAMES)
      expectSubscriptions(source.subscriptions).toBe(subs)
    }),
  )
})
void [assert, of, take, tap]
