/**
 * The demultiplexer: what reaches a route, what reaches the result, and how each ends.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  concat,
  defer,
  EMPTY,
  type Observable,
  type Observer,
  of,
  Subject,
  take,
  takeUntil,
  tap,
  throwError,
} from 'rxjs'
import { demux } from '../../lib/flow/demux.ts'
import { marbles } from '../support/marbles.ts'

/** Under each marble a frame of the request `A`, `X` or `Z`. Only `A` and `X` have routes at the start. */
const FRAMES = { a: 'A1', b: 'A2', c: 'A3', x: 'X1', y: 'X2', z: 'Z1' }
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
    ['A', a$],
    ['X', x$],
  ])
  return { routes, a$, x$ }
}

/** An observer that writes down what it hears. */
function recorder(heard: string[], name: string): Observer<string> {
  return {
    next: frame => heard.push(`${name} ${frame}`),
    error: error => heard.push(`${name} error ${String(error)}`),
    complete: () => heard.push(`${name} complete`),
  }
}

describe('demux', () => {
  it(
    'hands each frame to the route of its key and emits the frames nobody stands for',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const { routes, a$, x$ } = twoRoutes()
      const source = hot(' -a-x-z-(ab)-y-|', FRAMES)
      const subs = '       ^-------------!'
      const unclaimed = '  -----z--------|'
      const toA = '        -a-----(ab)---|'
      const toX = '        ---x--------y-|'
      expectObservable(source.pipe(demux(keyOf, routes))).toBe(unclaimed, FRAMES)
      expectObservable(a$).toBe(toA, FRAMES)
      expectObservable(x$).toBe(toX, FRAMES)
      expectSubscriptions(source.subscriptions).toBe(subs)
    }),
  )

  it(
    'leaves result and routes open while the source neither emits nor ends',
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const { routes, a$ } = twoRoutes()
      const source = cold('-', FRAMES)
      const subs = '       ^'
      const expected = '   -'
      expectObservable(source.pipe(demux(keyOf, routes))).toBe(expected)
      expectObservable(a$).toBe(expected)
      expectSubscriptions(source.subscriptions).toBe(subs)
    }),
  )

  it(
    'completes result and routes with a source that has no frame',
    marbles(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const { routes, a$, x$ } = twoRoutes()
      const source = hot(' ---|', FRAMES)
      const subs = '       ^--!'
      const expected = '   ---|'
      expectObservable(source.pipe(demux(keyOf, routes))).toBe(expected)
      expectObservable(a$).toBe(expected)
      expectObservable(x$).toBe(expected)
      expectSubscriptions(source.subscriptions).toBe(subs)
      flush()
      assert.equal(routes.size, 0)
    }),
  )

  it(
    'passes the one frame of a source on',
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--z--|', FRAMES)
      const subs = '       ^----!'
      const expected = '   --z--|'
      expectObservable(source.pipe(demux(keyOf, new Map()))).toBe(expected, FRAMES)
      expectSubscriptions(source.subscriptions).toBe(subs)
    }),
  )

  it(
    'gives the error of the source to every route, then to the result',
    marbles(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const { routes, a$, x$ } = twoRoutes()
      const heard: string[] = []
      routes.set('Y', recorder(heard, 'route'))
      const source = hot(' -a-z-#', FRAMES)
      const subs = '       ^----!'
      const unclaimed = '  ---z-#'
      const toA = '        -a---#'
      const toX = '        -----#'
      const result$ = source.pipe(demux(keyOf, routes))
      expectObservable(result$.pipe(tap({ error: () => heard.push('result') }))).toBe(unclaimed, FRAMES)
      expectObservable(a$).toBe(toA, FRAMES)
      expectObservable(x$).toBe(toX, FRAMES)
      expectSubscriptions(source.subscriptions).toBe(subs)
      flush()
      assert.deepEqual(heard, ['route error error', 'result'])
      assert.equal(routes.size, 0)
    }),
  )

  it(
    'leaves the routes alone when the result is unsubscribed',
    marbles(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const { routes, a$ } = twoRoutes()
      const source = hot(' -a-z-a-z-|', FRAMES)
      const unsub = '      ^---!-----'
      const subs = '       ^---!-----'
      const unclaimed = '  ---z------'
      const toA = '        -a--------'
      expectObservable(source.pipe(demux(keyOf, routes)), unsub).toBe(unclaimed, FRAMES)
      expectObservable(a$).toBe(toA, FRAMES)
      expectSubscriptions(source.subscriptions).toBe(subs)
      flush()
      assert.deepEqual([...routes.keys()], ['A', 'X'])
    }),
  )

  it('stops a source that emits while it is subscribed to', () => {
    const made: string[] = []
    const frame = (name: string): Observable<string> =>
      defer(() => {
        made.push(name)
        return of(name)
      })
    const heard: string[] = []
    concat(frame('Z1'), frame('Z2'), frame('Z3'))
      .pipe(demux(keyOf, new Map()), take(2))
      .subscribe(recorder(heard, 'result'))
    assert.deepEqual(made, ['Z1', 'Z2'])
    assert.deepEqual(heard, ['result Z1', 'result Z2', 'result complete'])
  })

  it(
    'ends everything with what the key function throws',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const { routes, a$ } = twoRoutes()
      const source = hot(' -a-z-b-|', FRAMES)
      const subs = '       ^--!'
      const unclaimed = '  ---#'
      const toA = '        -a-#'
      const picky = (frame: string): string => {
        if (frame === 'Z1') throw 'error'
        return keyOf(frame)
      }
      expectObservable(source.pipe(demux(picky, routes))).toBe(unclaimed, FRAMES)
      expectObservable(a$).toBe(toA, FRAMES)
      expectSubscriptions(source.subscriptions).toBe(subs)
    }),
  )

  it(
    'ends only the route whose observer throws, with what it threw',
    marbles(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const { routes, x$ } = twoRoutes()
      const heard: string[] = []
      const throws = (): never => {
        throw 'broken'
      }
      routes.set('A', { ...recorder(heard, 'A'), next: throws })
      const source = hot(' -a-x-b-|', FRAMES)
      const subs = '       ^------!'
      const unclaimed = '  -----b-|'
      const toX = '        ---x---|'
      expectObservable(source.pipe(demux(keyOf, routes))).toBe(unclaimed, FRAMES)
      expectObservable(x$).toBe(toX, FRAMES)
      expectSubscriptions(source.subscriptions).toBe(subs)
      flush()
      assert.deepEqual(heard, ['A error broken'])
    }),
  )

  it('keeps the route that took the place of the one that threw', () => {
    const heard: string[] = []
    const routes = new Map<string, Observer<string>>()
    routes.set('A', {
      ...recorder(heard, 'first'),
      next: () => {
        routes.set('A', recorder(heard, 'second'))
        throw 'broken'
      },
    })
    of('A1', 'A2').pipe(demux(keyOf, routes)).subscribe(recorder(heard, 'result'))
    assert.deepEqual(heard, ['first error broken', 'second A2', 'second complete', 'result complete'])
  })

  for (const [end, source, atEnd] of [
    ['complete', EMPTY, 'X complete'],
    ['error', throwError(() => 'lost'), 'X error lost'],
  ] as const) {
    it(`ends the other routes although one throws at its ${end}`, () => {
      const heard: string[] = []
      const throws = (): never => {
        throw 'broken'
      }
      const routes = new Map<string, Observer<string>>([
        ['A', { next: throws, error: throws, complete: throws }],
        ['X', recorder(heard, 'X')],
      ])
      const source$: Observable<string> = source
      source$.pipe(demux(keyOf, routes)).subscribe(recorder(heard, 'result'))
      assert.deepEqual(heard, [atEnd, 'result error broken'])
    })
  }

  it(
    'finds a route that was added, and misses one that was removed, between two frames',
    marbles(({ hot, expectObservable }) => {
      const { routes, a$ } = twoRoutes()
      const z$ = new Subject<string>()
      const source = hot(' -a-z-a-z-|', FRAMES)
      const unclaimed = '  ---z-a---|'
      const toA = '        -a--------'
      const toZ = '        -------z-|'
      const swap = tap((frame: string) => {
        if (frame !== 'Z1') return
        routes.delete('A')
        routes.set('Z', z$)
      })
      expectObservable(source.pipe(demux(keyOf, routes), swap)).toBe(unclaimed, FRAMES)
      expectObservable(a$).toBe(toA, FRAMES)
      expectObservable(z$).toBe(toZ, FRAMES)
    }),
  )

  it('lets a route leave from within its frame', () => {
    const heard: string[] = []
    const routes = new Map<string, Observer<string>>()
    const once = recorder(heard, 'route')
    routes.set('A', {
      ...once,
      next: frame => {
        routes.delete('A')
        once.next(frame)
      },
    })
    of('A1', 'A2').pipe(demux(keyOf, routes)).subscribe(recorder(heard, 'result'))
    assert.deepEqual(heard, ['route A1', 'result A2', 'result complete'])
  })

  it('leaves routes that are added at the end to whoever added them', () => {
    const heard: string[] = []
    const routes = new Map<string, Observer<string>>()
    const late = recorder(heard, 'late')
    routes.set('A', { ...recorder(heard, 'route'), complete: () => routes.set('X', late) })
    of('Z1').pipe(demux(keyOf, routes)).subscribe(recorder(heard, 'result'))
    assert.deepEqual(heard, ['result Z1', 'result complete'])
    assert.equal(routes.get('X'), late)
  })

  it('hands out nothing more when a route unsubscribes the result from within its frame', () => {
    const heard: string[] = []
    const stop$ = new Subject<void>()
    const routes = new Map<string, Observer<string>>([
      ['A', { ...recorder(heard, 'route'), next: () => stop$.next() }],
      ['X', recorder(heard, 'X')],
    ])
    of('A1', 'X1', 'Z1').pipe(demux(keyOf, routes), takeUntil(stop$)).subscribe(recorder(heard, 'result'))
    assert.deepEqual(heard, ['result complete'])
  })
})
