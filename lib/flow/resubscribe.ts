/**
 * A stream that outlives its connection: subscribes again after a loss, and shows where items may be missing.
 */
import {
  asyncScheduler,
  defer,
  Observable,
  of,
  retry,
  type SchedulerLike,
  Subject,
  switchMap,
  tap,
  throwError,
  timer,
} from 'rxjs'
import { RpcError } from '../error.ts'
import { Backoff, type BackoffOptions } from './backoff.ts'
import { Paced } from './paced.ts'

/**
 * Stands between the items of {@link resubscribe} where some may be missing, or come twice: one for each loss, at the moment
 * of it. Several in a row are one gap.
 */
export class Gap {
  /** Marks a gap, whichever copy of the package made it. */
  readonly '~gap' = true as const
  /** What the stream was lost with. */
  readonly error: unknown
  /** How many attempts it will have been, without a lasting success, with the coming one: from 1. */
  readonly attempt: number
  /** Milliseconds until then; more where a consumer with a pace is not done with what came before. */
  readonly retryInMs: number

  constructor(error: unknown, attempt: number, retryInMs: number) {
    this.error = error
    this.attempt = attempt
    this.retryInMs = retryInMs
  }

  /** Is `item` a gap, not an item? Works across two copies of the package. */
  static is(item: unknown): item is Gap {
    return typeof item === 'object' && item !== null && (item as Partial<Gap>)['~gap'] === true
  }
}

/** When to subscribe again, and when to give up. Times in milliseconds; those of {@link BackoffOptions} may stand here too. */
export interface ResubscribeOptions extends BackoffOptions {
  /** Subscriptions in a row that bring no items for `resetAfterMs`, besides the first. Default: no limit. */
  readonly attempts?: number
  /** May a new subscription mend this error? What it throws ends the stream. Default: {@link isTransient}. */
  readonly when?: (error: unknown) => boolean
  /** Numbers of [0, 1), for the back-off. Default `Math.random`. */
  readonly random?: () => number
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike
}

/** What becomes of a source: a call stays one that can be consumed at a pace. */
export type Resubscribed<S> =
  S extends Paced<infer T> ? Paced<T | Gap> : S extends Observable<infer T> ? Observable<T | Gap> : never

/**
 * Was the call lost with its connection, or turned away for the moment, so that the same call may well succeed later?
 *
 * `rpc_io_err`, `rpc_busy` and `rpc_draining` say so. `rpc_unreachable` does where dialling failed, which is its cause then: a
 * client that is closed dials no more. `rpc_canceled` does where a server that closes has cut the stream; not where the caller's
 * signal did, whose reason is the cause then. Not so `rpc_timeout`: that is the caller's own limit.
 */
export function isTransient(error: unknown): boolean {
  if (RpcError.is(error, 'rpc_io_err', 'rpc_busy', 'rpc_draining')) return true
  if (RpcError.is(error, 'rpc_unreachable')) return error.cause !== undefined
  return RpcError.is(error, 'rpc_canceled') && error.cause === undefined
}

/**
 * Subscribes to a stream again when it was lost, after a back-off, and emits a {@link Gap} at each loss. The new subscription is a
 * new call: it begins where its handler begins, so items may be missing, and others come twice; the types make the consumer
 * see to that. It is for calls that change nothing: a unary call, too, would run again.
 *
 * Completes with the source; errors with the source where `when` says no or the attempts are used up. Unsubscribing ends the wait
 * too; a client that is closed meanwhile ends it with the next attempt. The back-off starts anew when items have come for
 * `resetAfterMs`. Stands first on a call, where `pacedMap` and `for await` still brake behind it, or behind other operators, where
 * nobody brakes any more. Throws a `RangeError` for numbers that are none.
 */
export function resubscribe(
  options: ResubscribeOptions = {},
): <S extends Observable<unknown>>(source: S) => Resubscribed<S> {
  const { attempts = Number.POSITIVE_INFINITY } = options
  if (!(attempts >= 0)) throw new RangeError(`attempts must be a number from 0, not ${String(attempts)}`)
  new Backoff(options) // throws now, not at the first loss
  return <S extends Observable<unknown>>(source: S) =>
    (isPaced(source) ? pacedAgain(source, options) : again(source, options)) as Resubscribed<S>
}

function isPaced(source: Observable<unknown>): source is Paced<unknown> {
  return 'paced' in source
}

/** `lost` hears of each gap before the consumer does, and gives what emits once the next attempt may begin. */
function again<T>(
  source: Observable<T>,
  options: ResubscribeOptions,
  lost = (): Observable<unknown> => of(undefined),
): Observable<T | Gap> {
  const { attempts = Number.POSITIVE_INFINITY, when = isTransient, random, scheduler = asyncScheduler } = options
  return new Observable<T | Gap>(subscriber => {
    const backoff = new Backoff(options, random, scheduler)
    const wait = (error: unknown): Observable<unknown> => {
      backoff.failed()
      if (backoff.attempt >= attempts || !when(error)) return throwError(() => error)
      const retryInMs = backoff.next()
      const ready$ = lost()
      subscriber.next(new Gap(error, backoff.attempt, retryInMs))
      return timer(retryInMs, scheduler).pipe(switchMap(() => ready$))
    }
    const healthy = (): void => backoff.healthy()
    return source.pipe(tap(healthy), retry({ delay: wait })).subscribe(subscriber)
  })
}

/**
 * The same at the consumer's pace. A gap is reported as an item is, and a new call waits until all is reported that came before
 * it: a consumer behind a connection that comes and goes would otherwise hold one window more with each attempt.
 */
function pacedAgain<T>(source: Paced<T>, options: ResubscribeOptions): Paced<T | Gap> {
  return new Paced<T | Gap>((subscriber, pace) => {
    if (pace === undefined) return again(source, options).subscribe(subscriber)
    let unreported = 0
    const allReported = new Subject<void>()
    let report = (): void => {}
    pace.done = () => {
      if (unreported === 0) return
      unreported--
      report() // of a gap too: the call before it is over, and hears nothing
      if (unreported === 0) allReported.next()
    }
    const items$ = source.paced((items$, done) => {
      report = done
      return items$.pipe(tap(() => unreported++))
    })
    const lost = (): Observable<unknown> => {
      unreported++
      return defer(() => (unreported === 0 ? of(undefined) : allReported))
    }
    return again(items$, options, lost).subscribe(subscriber)
  })
}
