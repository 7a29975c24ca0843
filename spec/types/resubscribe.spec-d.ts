/**
 * A stream that is subscribed to again shows in its type that items may be missing.
 */
import { filter, map, type Observable, of } from 'rxjs'
import { type Call, catchUserError, Gap, type Paced, pacedMap, resubscribe } from '../../lib/index.ts'
import { exactly } from './exactly.ts'

interface Line {
  readonly text: string
}

declare const call: Call<Line, 'gone'>

// A call stays one that can be held; what is no call does not become one.
exactly<Paced<Line | Gap>>()(call.pipe(resubscribe()))
exactly<Observable<string | Gap>>()(
  call.pipe(
    map(line => line.text),
    resubscribe(),
  ),
)
exactly<Observable<number | Gap>>()(of(1).pipe(resubscribe({ attempts: 3 })))

// Whoever reads the items must see to the gaps.
exactly<Observable<string>>()(
  call.pipe(
    resubscribe({ maxMs: 5_000 }),
    map(line => (Gap.is(line) ? `lost: ${line.retryInMs}` : line.text)),
  ),
)
call.pipe(
  resubscribe(),
  // @ts-expect-error: a gap has no text
  map(line => line.text),
)
exactly<Observable<Line>>()(
  call.pipe(
    resubscribe(),
    filter((line): line is Line => !Gap.is(line)),
  ),
)

// What may come behind a call may come behind it.
exactly<Observable<number>>()(
  call.pipe(
    resubscribe(),
    pacedMap(line => of(Gap.is(line) ? 0 : line.text.length), 2),
  ),
)
exactly<Observable<Line | Gap | null>>()(
  call.pipe(
    catchUserError(() => of(null)),
    resubscribe(),
  ),
)
for await (const line of call.pipe(resubscribe())) exactly<Line | Gap>()(line)

// @ts-expect-error: the predicate says yes or no
call.pipe(resubscribe({ when: () => 'yes' }))
