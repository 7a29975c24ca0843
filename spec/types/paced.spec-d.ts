/**
 * `pacedMap` stands first on a call, or does not compile: anywhere else it could hold nobody back.
 */
import { EMPTY, filter, from, map, type Observable, of, retry, Subject, share, switchMap, take, tap, timer } from 'rxjs'
import { type Call, type Paced, pacedMap } from '../../lib/index.ts'
import { exactly } from './exactly.ts'

interface Line {
  readonly text: string
}

declare const call: Call<Line, 'gone'>
declare const items$: Paced<Line>
declare function index(line: Line): Promise<number>

// What the work gives is what comes out.
exactly<Observable<number>>()(call.pipe(pacedMap(line => index(line))))
exactly<Observable<number>>()(call.pipe(pacedMap(index, 4)))
exactly<Observable<number>>()(call.pipe(pacedMap((line, i) => of(line.text.length + i))))
exactly<Observable<string>>()(call.pipe(pacedMap(line => [line.text])))
exactly<Observable<0>>()(call.pipe(pacedMap(() => timer(1) as Observable<0>)))
exactly<Observable<never>>()(call.pipe(pacedMap(() => EMPTY)))

// So it does on the items that a handler gets.
exactly<Observable<number>>()(items$.pipe(pacedMap(index)))
exactly<Observable<number>>()(
  items$.pipe(
    pacedMap(line => of(line.text.length)),
    retry(),
    take(1),
  ),
)
exactly<Observable<string>>()(items$.pipe(map(line => line.text)))
// @ts-expect-error: behind map
items$.pipe(map(String), pacedMap(index))

// Everything else goes behind it.
exactly<Observable<string>>()(call.pipe(pacedMap(index), retry(), take(3), map(String), share()))
exactly<Observable<number>>()(of(1).pipe(switchMap(() => call.pipe(pacedMap(index)))))

// On what is no call there is nobody to hold back.
// @ts-expect-error: an Observable of one's own
of({ text: '' }).pipe(pacedMap(index))
// @ts-expect-error: a Subject
new Subject<Line>().pipe(pacedMap(index))
// @ts-expect-error: an array
from([{ text: '' }]).pipe(pacedMap(index))

// Behind another operator the call's pace is out of reach.
// @ts-expect-error: behind map
call.pipe(map(String), pacedMap(index))
// @ts-expect-error: behind map, whatever the work takes
call.pipe(map(String), pacedMap(of))
// @ts-expect-error: behind filter
call.pipe(filter(Boolean), pacedMap(index))
// @ts-expect-error: behind retry
call.pipe(retry(3), pacedMap(index))
// @ts-expect-error: behind share
call.pipe(share(), pacedMap(index))
// @ts-expect-error: behind take
call.pipe(take(3), pacedMap(index))
// @ts-expect-error: behind two
call.pipe(tap(), tap(), pacedMap(index))
// @ts-expect-error: twice
call.pipe(pacedMap(of), pacedMap(index))
// @ts-expect-error: on what a pipe gave
call.pipe(tap()).pipe(pacedMap(index))

// The work is something that ends, and takes what the call gives.
// @ts-expect-error: a value is no work
call.pipe(pacedMap(line => line.text.length))
// @ts-expect-error: the items are no numbers
call.pipe(pacedMap((n: number) => of(n)))
// @ts-expect-error: the concurrency is a number
call.pipe(pacedMap(index, '4'))

// The general form.
exactly<Observable<string>>()(
  call.paced((lines$, done) =>
    lines$.pipe(
      map(line => line.text),
      tap(done),
    ),
  ),
)
call.paced((lines$, done) => {
  exactly<Observable<Line>>()(lines$)
  exactly<() => void>()(done)
  return lines$
})
// @ts-expect-error: the function gives an Observable
call.paced(() => 7)

// A loop gets the items.
for await (const line of call) exactly<Line>()(line)
