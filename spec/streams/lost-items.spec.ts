/**
 * A handler that passes on why its items were lost, or why it was told to stop: that is no failure of its own.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { Observable, reduce, tap } from 'rxjs'
import { type Dispatch, RpcError } from '../../lib/node/index.ts'
import { type ServerStage, until, withServer } from '../support/stage.ts'
import { TRANSPORTS } from '../support/transports.ts'
import { DOWN, upRequest } from '../support/v2-frames.ts'

/** Each ends with the error that it is told; `told` gets its code. */
function handlersOf(told: string[]): Readonly<Record<string, Dispatch>> {
  const note = (error: unknown): void => {
    told.push(RpcError.from(error).code)
  }
  return {
    observes: ({ items$ }) =>
      items$.pipe(
        reduce(n => n + 1, 0),
        tap({ error: note }),
      ),
    awaits: async ({ items$ }) => {
      try {
        for await (const item of items$ as unknown as AsyncIterable<unknown>) assert.fail(String(item))
      } catch (error) {
        note(error)
        throw error
      }
    },
    listens: ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          note(signal.reason)
          reject(signal.reason)
        })
      }),
    sleeps: async ({ signal }) => {
      try {
        await sleep(60_000, undefined, { signal })
      } catch (error) {
        note(signal.reason)
        throw error
      }
    },
    detached: ({ items$ }) =>
      new Observable(answer => {
        const items = items$.pipe(tap({ error: note })).subscribe({ error: error => answer.error(error) })
        // Not unsubscribed from first: it hears why.
        answer.add(() => queueMicrotask(() => items.unsubscribe()))
      }),
  }
}

function complaints({ log }: ServerStage): unknown[] {
  return log.filter(({ level, action }) => (level === 'warn' || level === 'error') && action !== undefined)
}

for (const name of ['observes', 'awaits', 'detached']) {
  withServer(
    `answers rpc_io_err where the client finished before its items, to a handler that ${name}`,
    () => {
      const told: string[] = []
      return {
        handlers: handlersOf(told),
        run: async stage => {
          const caller = await stage.raw()
          caller.send(upRequest(2, { action: name, open: true }))
          await caller.got(2) // the credit
          caller.peer.finish()
          const { kind, text } = await caller.terminal(2)
          assert.equal(kind, DOWN.error)
          assert.equal(text, 'rpc_io_err: the client finished before its items had ended')
          assert.deepEqual(told, ['rpc_io_err'])
          assert.deepEqual(complaints(stage), [])
        },
      }
    },
    // Only sockets have two directions, each with an end of its own.
    { on: TRANSPORTS.filter(each => each.name === 'tcp' || each.name === 'unix') },
  )
}

for (const name of ['awaits', 'listens', 'sleeps', 'detached']) {
  withServer(`does not complain of a handler that ${name}, and whose client is gone`, () => {
    const told: string[] = []
    return {
      handlers: handlersOf(told),
      run: async stage => {
        const caller = await stage.raw()
        caller.send(upRequest(2, { action: name, open: true }))
        await until(() => stage.server.stats().calls === 1)
        caller.peer.reset()
        await until(() => told.length === 1)
        await until(() => stage.server.stats().connections === 0)
        assert.deepEqual(complaints(stage), [])
      },
    }
  })

  withServer(
    `tells a handler that ${name} that its time is over, and logs only that`,
    () => {
      const told: string[] = []
      return {
        handlers: handlersOf(told),
        run: async stage => {
          const caller = await stage.raw()
          caller.send(upRequest(2, { action: name, open: true, msLeft: 20 }))
          assert.equal((await caller.terminal(2)).text, 'rpc_timeout')
          await until(() => told.length === 1)
          assert.deepEqual(told, ['rpc_timeout'])
          await caller.lives(3)
          assert.match(stage.log.map(({ message }) => message).join(), /^\w+ ran for more than 20 ms/)
          assert.equal(complaints(stage).length, 1)
        },
      }
    },
    { options: { tickMs: 20 } },
  )
}
