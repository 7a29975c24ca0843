/** A module of streams that tell how they are doing: what they gave, and how many of them run. */
import { BehaviorSubject, filter, map, Observable, take } from 'rxjs'
import { duplex, implement, service, stream, unary } from '../../lib/node/index.ts'

const running$ = new BehaviorSubject(0)
let given = 0

const Streams = service('Streams', {
  numbers: stream<void, number>(),
  texts: stream<{ bytes: number }, string>(),
  values: stream<unknown[], unknown>(),
  headers: stream<void, unknown>(),
  never: stream<void, void>(),
  seen: unary<void, unknown>(),
  coded: stream<unknown, void, object>({ errors: 'coded' }),
  fails: stream<string, number>(),
  both: duplex<void, unknown, unknown>(),
  sum: unary<void, { given: number; running: number }>(),
  idle: unary<void, void>(),
})

function* counted<T>(item: (n: number) => T): Generator<T> {
  running$.next(running$.value + 1)
  try {
    for (let n = 0; ; n++) {
      given++
      yield item(n)
    }
  } finally {
    running$.next(running$.value - 1)
  }
}

export const streams = implement(Streams, {
  numbers: () => counted(n => n),
  texts: ({ bytes }) => counted(() => 'x'.repeat(bytes)),
  values: values => values,
  headers: (_, { headers }) => [headers],
  seen: (_, { headers }) => headers,
  never: () =>
    new Observable(() => {
      running$.next(running$.value + 1)
      return () => running$.next(running$.value - 1)
    }),
  coded: (value, { fail }) => {
    throw fail(value as object)
  },
  fails: function* (text, { fail }) {
    yield 1
    throw fail(text)
  },
  both: (_, { items$ }) => items$,
  sum: () => ({ given, running: running$.value }),
  idle: () =>
    running$.pipe(
      filter(running => running === 0),
      take(1),
      map(() => undefined),
    ),
})
