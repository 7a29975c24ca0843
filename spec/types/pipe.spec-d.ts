/**
 * A call's `pipe` infers as that of any Observable does, for as many operators.
 */
import { filter, map, type Observable, of, retry, scan, startWith, switchMap, take, tap, timeout, toArray } from 'rxjs'
import { type Call, catchUserError } from '../../lib/index.ts'
import { host } from './contracts.ts'
import { exactly } from './exactly.ts'

declare const call: Call<number>
declare const add: <T>() => (source: Observable<T>) => Observable<T | null>

exactly<Observable<number>>()(call.pipe())
exactly<Observable<string>>()(call.pipe(map(n => n.toFixed())))
exactly<Observable<number>>()(
  call.pipe(
    map(n => n.toFixed()),
    map(text => text.length),
  ),
)
exactly<Observable<number[]>>()(call.pipe(take(1), retry({ count: 3 }), toArray()))
exactly<Observable<string>>()(
  call.pipe(
    timeout(1),
    tap(),
    filter(n => n > 1),
    map(String),
  ),
)
exactly<Observable<string>>()(call.pipe(take(1), take(1), take(1), take(1), map(String)))
exactly<Observable<string>>()(call.pipe(take(1), take(1), take(1), take(1), take(1), map(String)))
exactly<Observable<string>>()(call.pipe(take(1), take(1), take(1), take(1), take(1), take(1), map(String)))
exactly<Observable<string>>()(call.pipe(take(1), take(1), take(1), take(1), take(1), take(1), take(1), map(String)))
exactly<Observable<string>>()(
  call.pipe(take(1), take(1), take(1), take(1), take(1), take(1), take(1), take(1), map(String)),
)
// Behind the ninth the type is unknown, there as here.
exactly<Observable<unknown>>()(
  call.pipe(take(1), take(1), take(1), take(1), take(1), take(1), take(1), take(1), take(1), map(String)),
)

// Operators that change the type, that need context, and that are generic.
exactly<Observable<number | 'none'>>()(call.pipe(startWith('none' as const)))
exactly<Observable<{ sum: number }>>()(call.pipe(scan((sum, n) => ({ sum: sum.sum + n }), { sum: 0 })))
exactly<Observable<number | null>>()(call.pipe(add()))
exactly<Observable<1>>()(call.pipe(filter((n): n is 1 => n === 1)))
exactly<Observable<number>>()(of(1, 2).pipe(switchMap(n => host.div([n, 2]))))
exactly<Observable<string>>()(
  host.div([1, 2]).pipe(
    catchUserError(() => of(null)),
    filter(n => n !== null),
    map(n => n.toFixed()),
    take(1),
    retry(),
    tap(),
    map(text => text.length),
    map(String),
    take(1),
  ),
)
call.pipe(
  // @ts-expect-error: the second operator does not take what the first gives
  map(String),
  map((n: number) => n),
)
// @ts-expect-error: no operator
call.pipe(3)

// It passes where an Observable is wanted, its pipe included.
function doubled(source: Observable<number>): Observable<number> {
  return source.pipe(map(n => n * 2))
}
exactly<Observable<number>>()(doubled(call))
exactly<Observable<number>>()(call.pipe(doubled))
