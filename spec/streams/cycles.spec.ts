/**
 * Very many calls of all kinds, each given up at a moment of its own: nothing of them is left, at either end. `RAZOR_CYCLES` says how
 * many.
 */
import assert from 'node:assert/strict'
import { queryObjects } from 'node:v8'
import { interval, map, Observable, reduce, Subscription } from 'rxjs'
import { ClientTask } from '../../lib/client/task.ts'
import { type Client, connect } from '../../lib/node/index.ts'
import { ServerTask } from '../../lib/server/task.ts'
import { turn } from '../support/arena.ts'
import { Dice } from '../support/chaos/dice.ts'
import { ChaosProxy } from '../support/chaos/proxy.ts'
import { type Handlers, until, withServer } from '../support/stage.ts'
import { tcp } from '../support/transports.ts'

const CYCLES = Number(process.env['RAZOR_CYCLES'] ?? 100_000)
/** Calls that begin in one turn of the event loop. */
const AT_ONCE = 20
const SEED = Number(process.env['RAZOR_SEED'] ?? 20_251)

let handlers = 0
let ran = 0
let sources = 0
const held = <T>(source$: Observable<T>): Observable<T> =>
  new Observable(out => {
    handlers++
    ran++
    out.add(() => handlers--)
    out.add(source$.subscribe(out))
  })
const source = (): Observable<number> =>
  new Observable(out => {
    sources++
    out.add(() => sources--)
    for (let i = 0; i < 3; i++) out.next(i)
    out.add(interval(5).subscribe(out))
  })

async function* pulled(): AsyncGenerator<number> {
  handlers++
  ran++
  try {
    for (let i = 0; ; i++) {
      yield i
      if (i % 4 === 3) await turn()
    }
  } finally {
    handlers--
  }
}

const served: Handlers = {
  'S.never': () => held(new Observable<never>(() => {})),
  'S.echo': call => call.input,
  'S.push': () => held(interval(2)),
  'S.pull': () => pulled(),
  'S.upload': call => held(call.items$.pipe(reduce((sum, n) => sum + Number(n), 0))),
  'S.async': async call => {
    let sum = 0
    for await (const n of call.items$ as Observable<number> & AsyncIterable<number>) sum += n
    return sum
  },
  'S.duplex': call => held(call.items$.pipe(map(n => n))),
}

function begin(client: Client, dice: Dice): Subscription {
  const kinds = [
    { action: 'S.never' },
    { action: 'S.echo', input: 1 },
    { action: 'S.push', window: 4 },
    { action: 'S.pull', window: 4 },
    { action: 'S.upload', items: source() },
    { action: 'S.async', items: source() },
    { action: 'S.duplex', items: source(), window: 4 },
  ]
  return client.call(dice.pick(kinds)).subscribe({ error: () => {} })
}

/** Runs so many cycles; `cut` is called for one in a hundred. */
async function cycles(client: Client, count: number, dice: Dice, cut: (() => void) | undefined): Promise<void> {
  const due: Subscription[][] = [[], [], [], [], [], []]
  for (let done = 0; done < count; done += AT_ONCE) {
    for (let i = 0; i < AT_ONCE; i++) {
      const call = begin(client, dice)
      const life = dice.between(0, due.length - 1)
      if (life === 0) call.unsubscribe()
      else due[life - 1]!.push(call)
      if (cut !== undefined && dice.chance(0.01)) cut()
    }
    await turn()
    for (const call of due.shift()!) call.unsubscribe()
    due.push([])
  }
  for (const calls of due) for (const call of calls) call.unsubscribe()
}

interface Census {
  readonly clientTasks: number
  readonly serverTasks: number
  readonly subscriptions: number
}

async function census(): Promise<Census> {
  for (let i = 0; i < 5; i++) await turn()
  // Each counts after a full collection, and counts the prototype of a derived class.
  const clientTasks = queryObjects(ClientTask, { format: 'count' })
  const serverTasks = queryObjects(ServerTask, { format: 'count' })
  return { clientTasks, serverTasks, subscriptions: queryObjects(Subscription, { format: 'count' }) }
}

for (const cuts of [false, true]) {
  const what = cuts ? ', the link being cut in one of a hundred' : ''
  withServer(
    `leaves nothing of ${CYCLES} calls that were given up${what}`,
    () => ({
      handlers: served,
      run: async stage => {
        const proxy = await ChaosProxy.listen(stage.address)
        // One connection, and the next one almost at once where it is lost.
        const client = connect(proxy.address, { maxConnections: 1, backoffFirstMs: 2, backoffMaxMs: 2 })
        try {
          ran = 0
          const dice = new Dice(SEED)
          const idle = async (): Promise<void> => {
            await until(() => client.status.state !== 'unhealthy')
            const call = client.call({ action: 'S.echo' })
            await new Promise<void>((resolve, reject) => call.subscribe({ complete: resolve, error: reject }))
            await until(() => client.stats().inFlight === 0 && client.stats().waiting === 0)
            await until(() => stage.server.stats().calls === 0 && handlers === 0 && sources === 0)
            await until(() => stage.server.stats().connections === 1)
            stage.log.length = 0
          }
          await cycles(client, 200, dice, cuts ? () => proxy.cutAll() : undefined)
          await idle()
          const before = await census()
          await cycles(client, CYCLES, dice, cuts ? () => proxy.cutAll() : undefined)
          await idle()
          const after = await census()
          const { clientTasks, serverTasks } = before
          assert.deepEqual([after.clientTasks, after.serverTasks], [clientTasks, serverTasks])
          assert.ok(
            after.subscriptions <= before.subscriptions + 10,
            `${after.subscriptions} subscriptions, ${before.subscriptions} before`,
          )
          assert.equal(proxy.connections > 1, cuts)
          assert.ok(ran > CYCLES / 20, `${ran} handlers ran`)
        } finally {
          await client.close({ waitMs: 0 })
          await proxy.close()
        }
      },
    }),
    { on: [tcp], mostMs: 30_000 + 4 * CYCLES },
  )
}
