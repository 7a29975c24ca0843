/**
 * A process of a spec: consumes a stream that is slow at first, and prints what it saw. Words: the address, `paced` or `blocking`, how
 * many items, how many of them are slow.
 */
import { lastValueFrom, type Observable, of, reduce, timer } from 'rxjs'
import { connect, pacedMap } from '../../../lib/node/index.ts'
import { type Item, Numbers, Resident } from './numbers.ts'

const [address, how, count, slow] = process.argv.slice(2)
const SLOW_MS = 10
/** Enough to compile all that runs, and to let the heap find its size. */
const WARM_UP_ITEMS = 200_000
const client = connect(address!)
const numbers = client.use(Numbers)
const resident = new Resident()
const lock = new Int32Array(new SharedArrayBuffer(4))

interface Seen {
  readonly items: number
  readonly ordered: boolean
}

function check({ items, ordered }: Seen, { n }: Item): Seen {
  if (n % 1000 === 0) resident.look()
  return { items: items + 1, ordered: ordered && n === items }
}

function consume(total: number, slowOnes: number): Promise<Seen> {
  const items$ = numbers.items(total)
  const start: Seen = { items: 0, ordered: true }
  const consumed$: Observable<Item> =
    how === 'paced'
      ? items$.pipe(pacedMap(item => (item.n < slowOnes ? timer(SLOW_MS).pipe(reduce(() => item, item)) : of(item))))
      : items$
  const seen$ = consumed$.pipe(
    reduce((seen, item) => {
      if (how === 'blocking' && item.n < slowOnes) {
        // Asleep, not busy: to whoever waits for `next` that is the same.
        Atomics.wait(lock, 0, 0, SLOW_MS)
        if (item.n % 10 === 0) resident.look()
      }
      return check(seen, item)
    }, start),
  )
  return lastValueFrom(seen$)
}

await consume(WARM_UP_ITEMS, 20)
await lastValueFrom(timer(300))
await lastValueFrom(numbers.mark())
resident.mark()
const seen = await consume(Number(count), Number(slow))
const server = await lastValueFrom(numbers.memory())
resident.look()
console.log(JSON.stringify({ ...seen, client: resident.memory, server }))
await client.close()
