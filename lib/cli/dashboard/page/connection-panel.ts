/**
 * The panel of the connection: how the client stands with its two servers, what happened, and buttons that break things.
 */
import {
  asyncScheduler,
  catchError,
  EMPTY,
  fromEvent,
  map,
  merge,
  mergeMap,
  type Observable,
  type Subject,
  Subscription,
  scan,
} from 'rxjs'
import { RpcError } from '../../../error.ts'
import { Gap } from '../../../flow/resubscribe.ts'
import { Demo, type Figures } from '../contract.ts'
import { connectionView } from './connection-view.ts'
import { element } from './elements.ts'
import type { Shared } from './shared.ts'
import { BEGINNING, type Happening, type Standing, stand } from './standing.ts'

const STALL_MS = 10_000
const DOWN_MS = 6_000
const BOTH_DOWN_MS = 6_000

/** Brings the panel to life; `told$` is what other panels have seen. */
export function connectionPanel(
  { client, figures$, ticks$, tell, failed }: Shared,
  told$: Subject<Happening>,
): Subscription {
  const demo = client.use(Demo)
  const view = connectionView(client)
  const all = new Subscription()
  const now = (): number => asyncScheduler.now()
  let standing: Standing = BEGINNING
  let figures: Figures | undefined
  const happenings$: Observable<Happening> = merge(
    client.status$.pipe(map(status => ({ type: 'status' as const, at: now(), status }))),
    client.events$.pipe(map(event => ({ type: 'event' as const, at: now(), event }))),
    figures$.pipe(
      map(item =>
        Gap.is(item) ? { type: 'gap' as const, at: now() } : { type: 'item' as const, at: now(), from: item.from },
      ),
    ),
    told$,
  )
  all.add(
    figures$.subscribe({
      next: item => {
        if (!Gap.is(item)) figures = item
      },
      error: failed,
    }),
  )
  all.add(
    happenings$.pipe(scan(stand, BEGINNING)).subscribe({
      next: next => {
        const hasNews = next.notes !== standing.notes
        standing = next
        if (hasNews) view.notes(standing)
      },
      error: failed,
    }),
  )
  all.add(ticks$.subscribe({ next: () => view.show(standing, figures, now()), error: failed }))

  const mine = (): number => standing.from ?? 1
  const orders: Readonly<Record<string, readonly [text: () => string, order: () => Observable<void>]>> = {
    kill: [() => 'you killed the connection', () => demo.kill()],
    stall: [() => `you stalled the connection for ${STALL_MS / 1000} s`, () => demo.stall({ forMs: STALL_MS })],
    drain: [() => `you drain server ${mine()}`, () => demo.drain({ server: mine(), forMs: DOWN_MS })],
    failover: [() => `you took server ${mine()} down`, () => demo.outage({ server: mine(), forMs: DOWN_MS })],
    outage: [() => 'you took both servers down', () => demo.outage({ server: 0, forMs: BOTH_DOWN_MS })],
  }
  for (const [id, [text, order]] of Object.entries(orders)) {
    const did = fromEvent(element(id), 'click').pipe(
      mergeMap(() => {
        const note = text()
        return order().pipe(
          map(() => note),
          catchError((error: unknown) => {
            tell({ type: 'note', at: now(), text: `not done: ${RpcError.from(error).code}`, tone: 'bad' })
            return EMPTY
          }),
        )
      }),
    )
    all.add(
      did.subscribe({ next: note => tell({ type: 'note', at: now(), text: note, tone: 'plain' }), error: failed }),
    )
  }
  return all
}
