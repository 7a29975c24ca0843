/**
 * Streams, uploads and duplexes under commands in any order, in virtual time over a link with latency, held to a model: order, at
 * most a window of items in hand, one end, nothing behind it, nothing left over.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { Observable, Subject } from 'rxjs'
import { TestScheduler } from 'rxjs/testing'
import { type Paced, RpcError, type ServerCall } from '../../lib/node/index.ts'
import type { Fault } from '../../lib/testing/faults.ts'
import { type LinkedPair, linkedPair } from '../../lib/testing/index.ts'

const RUNS = Number(process.env['RAZOR_MODEL_RUNS'] ?? 500)

/** Items in one direction: what was pushed, and what the consumer got and is done with. */
class Lane {
  readonly pushed = new Subject<number>()
  count = 0
  ended: 'complete' | 'error' | undefined
  readonly received: number[] = []
  consumed = 0
  /** How the consumer learned of the end. */
  readonly ends: unknown[] = []
  done: () => void = () => {}

  push(): void {
    this.pushed.next(this.count++)
  }

  end(how: 'complete' | 'error'): void {
    this.ended = how
    if (how === 'complete') this.pushed.complete()
    else this.pushed.error(new Error('the source failed'))
  }

  take(item: number): void {
    assert.deepEqual(this.ends, [], 'an item came behind the end')
    assert.equal(item, this.received.length, 'items keep their order, and none is lost')
    this.received.push(item)
  }

  consume(): void {
    this.consumed++
    this.done()
  }

  check(window: number): void {
    const inHand = this.received.length - this.consumed
    assert.ok(inHand <= window, `${inHand} items are in hand, the window is ${window}`)
    assert.ok(this.received.length <= this.count)
    assert.ok(this.ends.length <= 1, 'one end')
  }
}

type Shape = 'stream' | 'upload' | 'duplex'

class Call {
  readonly down: Lane | undefined
  readonly up: Lane | undefined
  readonly answer = new Subject<number>()
  readonly clientEnds: (RpcError | 'complete')[] = []
  unsubscribed = false
  started = 0
  torn = 0
  readonly shape: Shape
  readonly window: number
  unsubscribe: () => void = () => {}

  constructor(shape: Shape, window: number) {
    this.shape = shape
    this.window = window
    if (shape !== 'upload') this.down = new Lane()
    if (shape !== 'stream') this.up = new Lane()
  }

  get over(): boolean {
    return this.unsubscribed || this.clientEnds.length > 0
  }

  check(): void {
    this.down?.check(this.window)
    this.up?.check(this.window)
    assert.ok(this.clientEnds.length <= 1, 'one end')
    assert.ok(!(this.unsubscribed && this.clientEnds.length > 0), 'no end behind unsubscribe')
    assert.ok(this.torn <= this.started && this.started <= 1)
  }
}

/** The system under test. */
class Real {
  readonly calls: Call[] = []
  readonly pair: LinkedPair
  readonly faults = new Subject<Fault>()
  readonly #scheduler: TestScheduler

  constructor(scheduler: TestScheduler, latency: readonly [number, number]) {
    this.#scheduler = scheduler
    this.pair = linkedPair({
      dispatch: call => this.#handle(call),
      up: { latencyMs: latency[0], faults: this.faults },
      down: { latencyMs: latency[1] },
    })
  }

  /** Virtual time goes on. */
  advance(ms: number): void {
    const scheduler = this.#scheduler
    scheduler.schedule(() => {}, ms)
    scheduler.maxFrames = scheduler.frame + ms
    // The flush of a virtual scheduler alone, without that of the diagrams.
    scheduler.flush()
    for (const call of this.calls) call.check()
  }

  subscribe(shape: Shape, window: number): void {
    const call = new Call(shape, window)
    const { down, up } = call
    const pace = { done: () => {} }
    if (down !== undefined) down.done = () => pace.done()
    const input = this.calls.push(call) - 1
    const answers$ = this.pair.client.call<number>({
      action: 'S.call',
      input,
      window: down === undefined ? undefined : window,
      pace: down === undefined ? undefined : pace,
      items: up?.pushed,
      timeoutMs: 1e7,
    })
    const subscription = answers$.subscribe({
      next: item => down?.take(item),
      error: (error: RpcError) => {
        assert.ok(RpcError.is(error))
        call.clientEnds.push(error)
        down?.ends.push(error)
      },
      complete: () => {
        call.clientEnds.push('complete')
        down?.ends.push('complete')
      },
    })
    call.unsubscribe = () => {
      call.unsubscribed = true
      subscription.unsubscribe()
    }
  }

  #handle(server: ServerCall): Observable<number> {
    const call = this.calls[server.input as number]!
    const { up, down } = call
    server.window = call.window
    return new Observable(out => {
      call.started++
      out.add(() => call.torn++)
      if (up !== undefined) {
        const items$ = (server.items$ as Paced<number>).paced((items, done) => {
          up.done = done
          return items
        })
        const items = items$.subscribe({
          next: item => up.take(item),
          error: error => up.ends.push(error),
          complete: () => up.ends.push('complete'),
        })
        out.add(items)
      }
      out.add((down?.pushed ?? call.answer).subscribe(out))
    })
  }
}

interface Model {
  cuts: number
}
type Command = fc.Command<Model, Real>

/** A command for one of the calls, the `at`th from the front, where `can` holds. */
class OnCall implements Command {
  readonly #name: string
  readonly #at: number
  readonly #can: (call: Call) => boolean
  readonly #act: (call: Call) => void

  constructor(name: string, at: number, can: (call: Call) => boolean, act: (call: Call) => void) {
    this.#name = name
    this.#at = at
    this.#can = can
    this.#act = act
  }

  check(): boolean {
    return true
  }

  run(_: Model, real: Real): void {
    const able = real.calls.filter(this.#can)
    if (able.length > 0) this.#act(able[this.#at % able.length]!)
    for (const call of real.calls) call.check()
  }

  toString(): string {
    return `${this.#name}(${this.#at})`
  }
}

class Act implements Command {
  readonly #name: string
  readonly #act: (real: Real, model: Model) => void

  constructor(name: string, act: (real: Real, model: Model) => void) {
    this.#name = name
    this.#act = act
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    this.#act(real, model)
    for (const call of real.calls) call.check()
  }

  toString(): string {
    return this.#name
  }
}

const at = fc.nat(5)
const pushes = (lane: Lane | undefined): boolean => lane !== undefined && lane.ended === undefined
const holds = (lane: Lane | undefined): boolean => lane !== undefined && lane.received.length > lane.consumed
/** What a hot source gives before its subscriber is there is nobody's. */
const runs = (call: Call): boolean => call.started > call.torn
const lanes = (call: Call): Lane[] => [call.down, call.up].filter(lane => lane !== undefined)
const commands = fc.commands(
  [
    fc
      .record({ shape: fc.constantFrom<Shape>('stream', 'upload', 'duplex'), window: fc.integer({ min: 1, max: 5 }) })
      .map(({ shape, window }) => new Act(`subscribe ${shape} ${window}`, real => real.subscribe(shape, window))),
    fc.tuple(at, fc.integer({ min: 1, max: 4 })).map(
      ([n, count]) =>
        new OnCall(
          `item x ${count}`,
          n,
          call => runs(call) && lanes(call).some(pushes),
          call => {
            for (let i = 0; i < count; i++) for (const lane of lanes(call).filter(pushes)) lane.push()
          },
        ),
    ),
    at.map(
      n =>
        new OnCall(
          'item',
          n,
          call => runs(call) && pushes(call.down),
          call => call.down!.push(),
        ),
    ),
    at.map(
      n =>
        new OnCall(
          'consume down',
          n,
          call => holds(call.down),
          call => call.down!.consume(),
        ),
    ),
    at.map(
      n =>
        new OnCall(
          'consume up',
          n,
          call => holds(call.up),
          call => call.up!.consume(),
        ),
    ),
    at.map(
      n =>
        new OnCall(
          'consume all',
          n,
          call => lanes(call).some(holds),
          call => {
            for (const lane of lanes(call)) while (holds(lane)) lane.consume()
          },
        ),
    ),
    at.map(
      n =>
        new OnCall(
          'complete down',
          n,
          call => pushes(call.down),
          call => call.down!.end('complete'),
        ),
    ),
    at.map(
      n =>
        new OnCall(
          'complete up',
          n,
          call => pushes(call.up),
          call => call.up!.end('complete'),
        ),
    ),
    at.map(
      n =>
        new OnCall(
          'fail down',
          n,
          call => pushes(call.down),
          call => call.down!.end('error'),
        ),
    ),
    at.map(
      n =>
        new OnCall(
          'fail up',
          n,
          call => pushes(call.up),
          call => call.up!.end('error'),
        ),
    ),
    at.map(
      n =>
        new OnCall(
          'answer',
          n,
          call => call.shape === 'upload',
          call => call.answer.next(1),
        ),
    ),
    at.map(
      n =>
        new OnCall(
          'unsubscribe',
          n,
          call => !call.over,
          call => call.unsubscribe(),
        ),
    ),
    fc.integer({ min: 0, max: 12 }).map(ms => new Act(`advance ${ms}`, real => real.advance(ms))),
    fc.integer({ min: 0, max: 12 }).map(ms => new Act(`advance ${ms}`, real => real.advance(ms))),
    fc.constant(
      new Act('cut', (real, model) => {
        model.cuts++
        real.faults.next('x')
      }),
    ),
  ],
  { maxCommands: 80, size: 'max' },
)

/** What must hold when everybody has had all the time there is. */
function settle(real: Real, model: Model): void {
  for (let round = 0; round < 60; round++) {
    for (const call of real.calls) for (const lane of lanes(call)) while (holds(lane)) lane.consume()
    real.advance(25)
  }
  for (const call of real.calls) {
    const { down, up, clientEnds } = call
    const [end] = clientEnds
    const overflowed = RpcError.is(end, 'rpc_overflow')
    if (!call.over) {
      assert.equal(call.started, 1, 'it runs')
      assert.equal(call.torn, 0)
      for (const lane of lanes(call)) {
        // A source of the caller that pushes too much fails its lane, not the call.
        if (RpcError.is(lane.ends[0])) continue
        assert.equal(lane.received.length, lane.count, 'all that was pushed has come')
      }
    } else assert.equal(call.torn, call.started, 'its handler is torn down')
    if (end === 'complete' && down !== undefined) {
      assert.equal(down.ended, 'complete')
      assert.equal(down.received.length, down.count, 'the end waits behind the items')
    }
    if (RpcError.is(end, 'rpc_internal_err') && down !== undefined) {
      assert.equal(down.ended, 'error')
      assert.equal(down.received.length, down.count, 'the error waits behind the items')
    }
    if (RpcError.is(end, 'rpc_io_err') || RpcError.is(end, 'rpc_unreachable')) assert.ok(model.cuts > 0)
    if (up !== undefined && up.ends[0] === 'complete') assert.equal(up.received.length, up.count)
    if (end !== undefined && end !== 'complete' && !overflowed) {
      const codes = ['rpc_io_err', 'rpc_unreachable', 'rpc_internal_err']
      assert.ok(codes.includes(end.code), end.message)
    }
    if (overflowed) assert.ok(down!.count > call.window, 'more was pushed than a window')
  }
}

it('holds streams, uploads and duplexes to their rules, whatever happens in whatever order', {
  timeout: 120_000,
}, () => {
  const latency = fc.tuple(fc.nat(7), fc.nat(7))
  const run = (cmds: Iterable<Command>, delays: readonly [number, number]): void => {
    const scheduler = new TestScheduler(assert.deepEqual)
    scheduler.run(() => {
      const real = new Real(scheduler, delays)
      const model: Model = { cuts: 0 }
      try {
        fc.modelRun(() => ({ model, real }), cmds)
        settle(real, model)
        for (const call of real.calls) if (!call.over) call.unsubscribe()
        for (const call of real.calls) call.answer.next(1)
        real.advance(100)
        real.pair.expectNoLeaks()
        assert.ok(real.calls.every(({ started, torn }) => torn === started))
      } catch (error) {
        throw new Error(`${(error as Error).message}\n${real.pair.wire}`, { cause: error })
      } finally {
        real.pair.close()
        scheduler.maxFrames = Number.POSITIVE_INFINITY
      }
    })
  }
  fc.assert(fc.property(commands, latency, run), { numRuns: RUNS, includeErrorInReport: true })
})
