/**
 * Calls of the chaos service, of all shapes, so many at a time, each written down: before it is sent, at each item, at its end.
 */
import { concatMap, from, type Observable, of, type Subscription, timer } from 'rxjs'
import { type Client, type ConnectOptions, RpcError, UserError } from '../../../lib/node/index.ts'
import type { CallShape } from '../../../lib/protocol/shape.ts'
import { type Ask, Chaos, isWhole, type Message, message } from './contract.ts'
import type { Dice } from './dice.ts'
import type { CallerEntry } from './ledger.ts'

export const SHAPES: readonly CallShape[] = ['unary', 'stream', 'upload', 'duplex']

/** Limits of a client that is to notice soon what is wrong. */
export const HASTY_CLIENT: ConnectOptions = {
  tickMs: 50,
  taskTimeoutMs: 1_500,
  connectTimeoutMs: 800,
  readTimeoutMs: 500,
  writeTimeoutMs: 600,
  pingIntervalMs: 300,
  deadAfterMs: 800,
  backoffFirstMs: 5,
  backoffMaxMs: 40,
}

export interface Workload {
  readonly client: Client
  readonly shapes: readonly CallShape[]
  readonly dice: Dice
  /** Calls at a time. Default 8. */
  readonly concurrency?: number
  /** No call begins after that; those that are under way go on. */
  readonly durationMs: number
  /** Where entries go. */
  readonly ledger: CallerEntry[]
}

/** Callers wait that long after a failure, so that they do not dial in a circle. */
const MOST_PAUSE_MS = 50

/** Shares of calls: given up by their callers, failed by their handlers, with much to carry, as long as their connection. */
const LEFT = 1 / 16
const FAILING = 1 / 16
const LARGE = 1 / 16
const UNLIMITED = 1 / 2

/** Runs the calls. Completes when all that were made are over. */
export async function work({ client, shapes, dice, concurrency = 8, durationMs, ledger }: Workload): Promise<void> {
  const until = performance.now() + durationMs
  let ids = 0
  const worker = async (own: Dice): Promise<void> => {
    while (performance.now() < until) {
      const answered = await one(client, ++ids, own.pick(shapes), own, ledger)
      if (!answered) await new Promise(resolve => setTimeout(resolve, own.between(0, MOST_PAUSE_MS)))
    }
  }
  await Promise.all(Array.from({ length: concurrency }, (_, i) => worker(dice.fork(i))))
}

/** One call; resolves to whether it ended well. */
function one(client: Client, id: number, shape: CallShape, dice: Dice, ledger: CallerEntry[]): Promise<boolean> {
  const idempotent = shape === 'unary' && dice.chance(0.5)
  const count = shape === 'unary' ? 1 : dice.between(0, 30)
  const leavesMs = dice.chance(LEFT) ? dice.between(0, 60) : undefined
  const timeoutMs = dice.chance(0.5) ? dice.between(300, 1_500) : 1_500
  const unlimited = (shape === 'stream' || shape === 'duplex') && dice.chance(UNLIMITED)
  const pad = 'x'.repeat(dice.chance(LARGE) ? dice.between(10_000, 30_000) : dice.between(0, 100))
  const small = pad.slice(0, 1_000)
  const pauseMs = shape === 'unary' ? (dice.chance(0.5) ? 0 : dice.between(1, 40)) : dice.between(0, 4)
  const ask: Ask = { ...message(id, 0, shape === 'unary' ? pad : small), count, pauseMs, fails: dice.chance(FAILING) }
  const items = Array.from({ length: count }, (_, n) => message(id, n, small))
  const items$ = dice.chance(0.5) ? items : pushed(items, pauseMs)
  const options = unlimited ? {} : { timeoutMs }
  const call$ = start(client, shape, idempotent, ask, items$, options)

  return new Promise(resolve => {
    const now = (): number => performance.now()
    const limit = unlimited ? {} : { timeoutMs }
    ledger.push({ what: 'called', id, shape, idempotent, ...limit, count, atMs: now() })
    let leaving: NodeJS.Timeout | undefined
    let subscription: Subscription | undefined
    const over = (entry: Pick<CallerEntry & { what: 'over' }, 'how' | 'executed' | 'of'>): void => {
      clearTimeout(leaving)
      ledger.push({ what: 'over', id, ...entry, atMs: now() })
      resolve(entry.how === 'ok' || entry.how === 'left' || entry.how === 'user')
    }
    if (leavesMs !== undefined) {
      leaving = setTimeout(() => {
        subscription?.unsubscribe()
        over({ how: 'left' })
      }, leavesMs)
    }
    subscription = call$.subscribe({
      next: item => {
        if (isWhole(item)) ledger.push({ what: 'got', id, of: item.id, n: item.n })
        else ledger.push({ what: 'damaged', id })
      },
      complete: () => over({ how: 'ok' }),
      error: (error: unknown) => {
        if (!RpcError.is(error)) throw error
        const { code, executed } = error
        const text = error instanceof UserError ? String(error.value) : undefined
        if (text !== undefined && !/^\d+$/.test(text)) ledger.push({ what: 'damaged', id })
        over({ how: code, executed, ...(text === undefined ? {} : { of: Number(text) || id }) })
      },
    })
  })
}

function start(
  client: Client,
  shape: CallShape,
  idempotent: boolean,
  ask: Ask,
  items: Observable<Message> | readonly Message[],
  options: { readonly timeoutMs?: number },
): Observable<Message> {
  const chaos = client.use(Chaos)
  if (shape === 'unary') return idempotent ? chaos.read(ask, options) : chaos.once(ask, options)
  if (shape === 'stream') return chaos.stream(ask, options)
  return shape === 'upload' ? chaos.upload(ask, items, options) : chaos.duplex(ask, items, options)
}

/** Items that come by themselves, some time apart. */
function pushed(items: readonly Message[], pauseMs: number): Observable<Message> {
  return from(items).pipe(
    concatMap(item => (pauseMs === 0 ? of(item) : timer(pauseMs).pipe(concatMap(() => of(item))))),
  )
}
