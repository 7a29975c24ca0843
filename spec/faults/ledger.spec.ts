/**
 * The ledgers tell on whoever loses, doubles, mixes up or lies: in what is written down, and in runs that are sabotaged.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { after, describe, it } from 'node:test'
import { catchError, concat, concatMap, EMPTY, map, NEVER, type Observable, of, throwError, toArray } from 'rxjs'
import { type ClientInterceptor, RpcError } from '../../lib/node/index.ts'
import type { Message } from '../support/chaos/contract.ts'
import { Dice } from '../support/chaos/dice.ts'
import { type FaultKind, planOf } from '../support/chaos/faults.ts'
import { type FindingKind, join } from '../support/chaos/join.ts'
import { type CallerEntry, FileLedger, readLedger, type ServerEntry } from '../support/chaos/ledger.ts'
import { assertSound, run } from '../support/chaos/run.ts'
import { foundOf, type Outcome, table } from '../support/chaos/table.ts'
import { timing } from '../support/chaos/timing.ts'
import { SHAPES } from '../support/chaos/workload.ts'
import { startNode } from '../support/child.ts'
import { expectNoLeaks } from '../support/leaks.ts'

type Called = Extract<CallerEntry, { what: 'called' }>
type Over = Extract<CallerEntry, { what: 'over' }>

const called = (more: Partial<Called> = {}): Called => {
  return { what: 'called', id: 1, shape: 'unary', idempotent: false, timeoutMs: 1_000, count: 1, atMs: 0, ...more }
}
const over = (more: Partial<Over> = {}): Over => ({ what: 'over', id: 1, how: 'ok', atMs: 10, ...more })
const got = (n: number, id = 1, of = id): CallerEntry => ({ what: 'got', id, of, n })
const started: ServerEntry = { what: 'started', id: 1, port: 7 }
const took = (n: number): ServerEntry => ({ what: 'took', id: 1, of: 1, n })
const stream = called({ shape: 'stream', count: 3 })

function found(caller: readonly CallerEntry[], server: readonly ServerEntry[], linkEndMs?: number): FindingKind[] {
  const linkEnds = new Map(linkEndMs === undefined ? [] : [[7, linkEndMs]])
  return join(caller, server, { tickMs: 50, linkEnds, overAtMs: 60_000 }).findings.map(({ kind }) => kind)
}

describe('two ledgers that are joined', () => {
  it('find nothing where a call was answered, and count it', () => {
    const joined = join([called(), got(0), over()], [started], { tickMs: 50, overAtMs: 60_000 })
    assert.deepEqual(joined, { sent: 1, ok: 1, left: 0, errors: new Map(), findings: [] })
  })

  it('find nothing in errors that say what is true', () => {
    const ended = (more: Partial<Over>): CallerEntry[] => [called(), over({ how: 'rpc_io_err', ...more })]
    assert.deepEqual(found(ended({ executed: 'maybe' }), []), [])
    assert.deepEqual(found(ended({ executed: 'maybe' }), [started]), [])
    assert.deepEqual(found(ended({ executed: 'no' }), []), [])
    assert.deepEqual(found(ended({ executed: 'yes' }), [started]), [])
  })

  it('find a call lost that never ended, or ended later than its timeout, a tick and a second', () => {
    assert.deepEqual(found([called()], [started]), ['lost'])
    assert.deepEqual(found([called()], []), ['lost'])
    const late = over({ how: 'rpc_timeout', executed: 'maybe', atMs: 2_051 })
    assert.deepEqual(found([called(), late], [started]), ['lost'])
    assert.deepEqual(found([called(), { ...late, atMs: 2_050 }], [started]), [])
  })

  it('find a call without a timeout lost that outlives its connection', () => {
    const { timeoutMs: _, ...endless } = stream
    const end = over({ how: 'rpc_io_err', executed: 'yes', atMs: 9_000 })
    assert.deepEqual(found([endless, end], [started], 8_500), [])
    assert.deepEqual(found([endless, end], [started], 7_900), ['lost'])
    assert.deepEqual(found([endless], [started], 7_900), ['lost'])
    assert.deepEqual(found([endless], []), ['lost'])
  })

  it('take into account how late this process was itself', () => {
    const late = over({ how: 'rpc_timeout', executed: 'maybe', atMs: 2_500 })
    assert.deepEqual(join([called(), late], [], { tickMs: 50, lagMs: 500, overAtMs: 60_000 }).findings, [])
  })

  it('find a call that ended twice', () => {
    assert.deepEqual(found([called(), got(0), over(), over()], [started]), ['ended twice'])
  })

  it('find a call that ran twice and must not, and let one that may', () => {
    assert.deepEqual(found([called(), got(0), over()], [started, started]), ['doubled'])
    assert.deepEqual(found([called({ idempotent: true }), got(0), over()], [started, started]), [])
  })

  it('find an error lying that says no where the handler ran, or yes where none did', () => {
    assert.deepEqual(found([called(), over({ how: 'rpc_draining', executed: 'no' })], [started]), ['lying'])
    assert.deepEqual(found([called(), over({ how: 'rpc_io_err', executed: 'yes' })], []), ['lying'])
    assert.deepEqual(found([called(), got(0), over()], []), ['lying'])
  })

  it('find an answer, an item and a user error of another call', () => {
    assert.deepEqual(found([called(), got(0, 1, 2), over()], [started]), ['mixed up'])
    assert.deepEqual(found([called(), over({ how: 'user', executed: 'yes', of: 2 })], [started]), ['mixed up'])
    const upload = called({ shape: 'upload', count: 1 })
    assert.deepEqual(found([upload, got(0), over()], [started, { what: 'took', id: 1, of: 2, n: 0 }]), ['mixed up'])
  })

  it('find items that overtake, come again, or are missing, and let an error cut the rest', () => {
    const cut = over({ how: 'rpc_io_err', executed: 'yes' })
    assert.deepEqual(found([stream, got(0), got(1), cut], [started]), [])
    assert.deepEqual(found([stream, got(0), got(2), got(1), cut], [started]), ['gap'])
    assert.deepEqual(found([stream, got(0), got(0), got(1), cut], [started]), ['disordered'])
    assert.deepEqual(found([stream, got(0), got(1), over()], [started]), ['gap'])
    assert.deepEqual(found([stream, got(0), got(1), got(2), over()], [started]), [])
    const upload = called({ shape: 'upload', count: 2 })
    assert.deepEqual(found([upload, got(0), over()], [started, took(0), took(1)]), [])
    assert.deepEqual(found([upload, got(0), over()], [started, took(0)]), ['gap'])
    assert.deepEqual(found([upload, cut], [started, took(1), took(0)]), ['gap'])
    assert.deepEqual(found([upload, cut], [started, took(0), took(0)]), ['disordered'])
  })

  it('find what is not what was sent', () => {
    assert.deepEqual(found([called(), { what: 'damaged', id: 1 }, over({ how: 'left' })], [started]), ['damaged'])
  })

  it('refuse an entry of a call that was never made', () => {
    assert.throws(() => found([], [started]), /never made/)
    assert.throws(() => found([over()], []), /never made/)
  })
})

describe('a ledger in a file', () => {
  const folder = mkdtempSync(joinPath(tmpdir(), 'razor-chaos-'))
  after(() => rmSync(folder, { recursive: true, force: true }))

  it('has what several servers wrote, one after another', () => {
    const path = joinPath(folder, 'two')
    for (const id of [1, 2]) {
      const ledger = new FileLedger(path)
      ledger.write({ what: 'started', id })
      ledger.close()
    }
    assert.deepEqual(
      readLedger(path).map(({ id }) => id),
      [1, 2],
    )
  })

  it('keeps every entry that was written before a SIGKILL', async () => {
    const path = joinPath(folder, 'killed')
    const module = new URL('../support/chaos/ledger.ts', import.meta.url).href
    const writer = `
      const { FileLedger } = await import(${JSON.stringify(module)})
      const ledger = new FileLedger(${JSON.stringify(path)})
      for (let id = 1; id <= 1000; id++) ledger.write({ what: 'started', id })
      process.kill(process.pid, 'SIGKILL')`
    const { code } = await startNode(process.cwd(), '--import', 'tsx', '--input-type=module', '-e', writer).ended
    assert.equal(code, null)
    assert.deepEqual(
      readLedger(path).map(({ id }) => id),
      Array.from({ length: 1_000 }, (_, i) => i + 1),
    )
  })
})

/** A run over TCP with an interceptor that does wrong. */
async function sabotaged(how: ClientInterceptor, faults?: FaultKind): Promise<Outcome> {
  const outcome = await run({
    name: 'sabotage',
    seed: 5,
    listenAt: ['tcp://127.0.0.1:0'],
    shapes: SHAPES,
    plan: faults === undefined ? () => [] : planOf(faults),
    durationMs: 400,
    mostMs: 1_700,
    client: { interceptors: [how] },
  })
  await expectNoLeaks()
  return outcome
}

const isUnary = (action: number | string): boolean => action === 'Chaos.once' || action === 'Chaos.read'

describe('a run', () => {
  it('is sound where nothing is wrong, and says so', async () => {
    const outcome = await sabotaged((request, next) => next(request))
    assertSound(outcome)
    assert.ok(outcome.joined.ok > 10 && outcome.connections === 1)
    assert.equal(outcome.evidence, undefined)
    assert.match(table([outcome]), /^run +seed +sent +ok .*\nsabotage +5 +\d+ .*\nall +5 /)
  })

  it('makes the same calls and the same faults for the same seed', () => {
    const throws = (seed: number): number[] =>
      Array.from({ length: 5 }, (_, i) => new Dice(seed).fork('work').fork(i).next())
    assert.deepEqual(throws(3), throws(3))
    assert.notDeepEqual(throws(3), throws(4))
  })

  const SABOTAGE: readonly (readonly [string, FindingKind, ClientInterceptor, FaultKind?])[] = [
    [
      'sends calls twice',
      'doubled',
      (request, next) => (isUnary(request.action) ? next(request).pipe(concatMap(() => next(request))) : next(request)),
    ],
    [
      'swallows errors and says nothing',
      'lost',
      (request, next) => next(request).pipe(catchError(() => NEVER)),
      'reset',
    ],
    [
      'calls every failure one that did not run',
      'lying',
      (request, next) =>
        next(request).pipe(
          catchError(error => {
            const { code, message } = RpcError.from(error)
            return throwError(() => new RpcError(code, message, { executed: 'no' }))
          }),
        ),
      'cut',
    ],
    ['hands answers to the call behind', 'mixed up', mixUp()],
    [
      'loses items',
      'gap',
      (request, next) => next(request).pipe(concatMap((item, at) => (at === 2 ? EMPTY : of(item)))),
    ],
    [
      'gives items again',
      'disordered',
      (request, next) => next(request).pipe(concatMap(item => (isUnary(request.action) ? of(item) : of(item, item)))),
    ],
    [
      'turns the order round',
      'gap',
      (request, next) =>
        next(request).pipe(
          toArray(),
          concatMap(items => items.reverse()),
        ),
    ],
    [
      'changes what it carries',
      'damaged',
      (request, next) => next(request).pipe(map(item => ({ ...(item as Message), pad: '!' }))),
    ],
    [
      'takes a broken stream for a finished one',
      'gap',
      (request, next) => next(request).pipe(catchError(() => EMPTY)),
      'cut',
    ],
  ]
  for (const [what, kind, how, faults] of SABOTAGE) {
    it(`finds out a client that ${what}`, async () => {
      const outcome = await sabotaged(how, faults)
      assert.ok(foundOf(outcome.joined, kind) > 0, table([outcome]))
      assert.throws(() => assertSound(outcome), /sabotage, seed 5; see .*jsonl/)
      rmSync(outcome.evidence!)
    })
  }
})

/** Each unary call gets the answer of the one before it. */
function mixUp(): ClientInterceptor {
  let last: unknown
  return (request, next): Observable<unknown> => {
    if (!isUnary(request.action)) return next(request)
    return concat(next(request)).pipe(
      map(answer => {
        const other = last ?? answer
        last = answer
        return other
      }),
    )
  }
}

describe('the time until a fault was noticed', () => {
  it('is that to the first failure under way, and recovery that to the first answer of a later call', () => {
    const entries = [
      called({ id: 1, atMs: 0 }),
      called({ id: 2, atMs: 90 }),
      over({ id: 2, atMs: 95 }),
      over({ id: 1, how: 'rpc_io_err', executed: 'maybe', atMs: 130 }),
      called({ id: 3, atMs: 140 }),
      over({ id: 3, atMs: 170 }),
    ]
    assert.deepEqual(timing([100], entries), { noticeMs: 30, recoverMs: 70 })
    assert.deepEqual(timing([200], entries), { noticeMs: undefined, recoverMs: undefined })
    assert.deepEqual(timing([100, 120], entries), { noticeMs: 10, recoverMs: 50 })
  })
})
