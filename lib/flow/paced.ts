/**
 * The consumer's side of credit: when an item counts as consumed. By default when `next` has returned; with a pace when the
 * consumer says so, and until then the sender is held.
 */
import {
  from,
  Observable,
  type ObservableInput,
  type ObservedValueOf,
  of,
  type Subscriber,
  type TeardownLogic,
  type UnaryFunction,
} from 'rxjs'
import { PacedIterator } from './paced-iterator.ts'
import { queuedMap } from './queued-map.ts'

/** How a consumer that takes its time reports the oldest item it is done with. */
export interface Pace {
  /** One item is consumed: the oldest that was not. Set when the items are subscribed to; does nothing after their end. */
  done: () => void
}

/** Subscribes to the items; with a pace, fills in its `done`, and counts nothing as consumed by itself. */
export type PacedSource<T> = (subscriber: Subscriber<T>, pace: Pace | undefined) => TeardownLogic

/** One function for all, as a call is made for each subscription: RxJS gives it the Observable as `this`. */
function startUnpaced(this: Paced<unknown>, subscriber: Subscriber<unknown>): TeardownLogic {
  return Paced.start(this, subscriber)
}

/** An Observable over a network whose sender is held by what its consumer has not done with. */
export class Paced<T> extends Observable<T> implements AsyncIterable<T> {
  readonly #start: PacedSource<T>

  constructor(start: PacedSource<T>) {
    super(startUnpaced as (this: Observable<T>, subscriber: Subscriber<T>) => TeardownLogic)
    this.#start = start
  }

  /** Subscribes as any Observable does: what `next` has returned from is consumed. */
  static start<T>(source: Paced<T>, subscriber: Subscriber<T>): TeardownLogic {
    return source.#start(subscriber, undefined)
  }

  /**
   * Consumes at the pace of `project`: it gets the items, and a function that gives one permission back, that of the oldest item
   * not reported yet. Items that are dropped on the way must be reported too. Reports after the end do nothing.
   */
  paced<R>(project: (items$: Observable<T>, done: () => void) => Observable<R>): Observable<R> {
    return new Observable<R>(subscriber => {
      const pace: Pace = { done: () => {} }
      const items$ = new Observable<T>(items => this.#start(items, pace))
      return project(items$, () => pace.done()).subscribe(subscriber)
    })
  }

  /** Permission returns when the loop asks for the next item; leaving the loop unsubscribes. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return new PacedIterator(this)
  }

  override pipe(): Observable<T>
  override pipe<A>(a: UnaryFunction<this, A>): A
  override pipe<A, B>(a: UnaryFunction<this, A>, b: UnaryFunction<A, B>): B
  override pipe<A, B, C>(a: UnaryFunction<this, A>, b: UnaryFunction<A, B>, c: UnaryFunction<B, C>): C
  override pipe<A, B, C, D>(
    a: UnaryFunction<this, A>,
    b: UnaryFunction<A, B>,
    c: UnaryFunction<B, C>,
    d: UnaryFunction<C, D>,
  ): D
  override pipe<A, B, C, D, F>(
    a: UnaryFunction<this, A>,
    b: UnaryFunction<A, B>,
    c: UnaryFunction<B, C>,
    d: UnaryFunction<C, D>,
    f: UnaryFunction<D, F>,
  ): F
  override pipe<A, B, C, D, F, G>(
    a: UnaryFunction<this, A>,
    b: UnaryFunction<A, B>,
    c: UnaryFunction<B, C>,
    d: UnaryFunction<C, D>,
    f: UnaryFunction<D, F>,
    g: UnaryFunction<F, G>,
  ): G
  override pipe<A, B, C, D, F, G, H>(
    a: UnaryFunction<this, A>,
    b: UnaryFunction<A, B>,
    c: UnaryFunction<B, C>,
    d: UnaryFunction<C, D>,
    f: UnaryFunction<D, F>,
    g: UnaryFunction<F, G>,
    h: UnaryFunction<G, H>,
  ): H
  override pipe<A, B, C, D, F, G, H, I>(
    a: UnaryFunction<this, A>,
    b: UnaryFunction<A, B>,
    c: UnaryFunction<B, C>,
    d: UnaryFunction<C, D>,
    f: UnaryFunction<D, F>,
    g: UnaryFunction<F, G>,
    h: UnaryFunction<G, H>,
    i: UnaryFunction<H, I>,
  ): I
  override pipe<A, B, C, D, F, G, H, I, J>(
    a: UnaryFunction<this, A>,
    b: UnaryFunction<A, B>,
    c: UnaryFunction<B, C>,
    d: UnaryFunction<C, D>,
    f: UnaryFunction<D, F>,
    g: UnaryFunction<F, G>,
    h: UnaryFunction<G, H>,
    i: UnaryFunction<H, I>,
    j: UnaryFunction<I, J>,
  ): J
  override pipe<A, B, C, D, F, G, H, I, J>(
    a: UnaryFunction<this, A>,
    b: UnaryFunction<A, B>,
    c: UnaryFunction<B, C>,
    d: UnaryFunction<C, D>,
    f: UnaryFunction<D, F>,
    g: UnaryFunction<F, G>,
    h: UnaryFunction<G, H>,
    i: UnaryFunction<H, I>,
    j: UnaryFunction<I, J>,
    ...more: UnaryFunction<any, any>[]
  ): Observable<unknown>
  /** As that of any Observable, but that the first operator may want this very type: `pacedMap` does. */
  override pipe(...operators: UnaryFunction<any, any>[]): any {
    return operators.reduce((source, operator) => operator(source), this as unknown)
  }
}

/**
 * Runs `project` for each item, `concurrency` at a time (default 1), and gives an item's permission back when its inner
 * Observable ends: `mergeMap` with a brake. Stands first on a call; `retry`, `take` and `share` go after it.
 */
export function pacedMap<T, O extends ObservableInput<any>>(
  project: (item: T, index: number) => O,
  concurrency = 1,
): (source: Paced<T>) => Observable<ObservedValueOf<O>> {
  return source => source.paced((items$, done) => items$.pipe(queuedMap(project, concurrency, done)))
}

/** Applies `next`, which may give a Promise, to each item, in order; an item counts as consumed when what became of it was. */
export function mapPaced(source: Paced<unknown>, next: (item: unknown) => unknown): Paced<unknown> {
  return new Paced<unknown>((subscriber, pace) =>
    source
      .paced((items$, done) => {
        const checked$ = items$.pipe(queuedMap(item => settled(next(item)), 1))
        return pace === undefined ? consumed(checked$, done) : handedOver(checked$, pace, done)
      })
      .subscribe(subscriber),
  )
}

function settled(result: unknown): Observable<unknown> {
  const pending = typeof result === 'object' && result !== null && 'then' in result
  return pending ? from(result as PromiseLike<unknown>) : of(result)
}

function handedOver(items$: Observable<unknown>, pace: Pace, done: () => void): Observable<unknown> {
  pace.done = done
  return items$
}

/** Reports each item when `next` has returned. */
function consumed(items$: Observable<unknown>, done: () => void): Observable<unknown> {
  return new Observable(subscriber =>
    items$.subscribe({
      next: item => {
        subscriber.next(item)
        done()
      },
      error: error => subscriber.error(error),
      complete: () => subscriber.complete(),
    }),
  )
}
