/** A call on the server as a line, for logs and debuggers. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { inspect } from 'node:util'
import { NEVER } from 'rxjs'
import type { ServerCall } from '../../lib/index.ts'
import { taskText } from '../../lib/server/task-text.ts'
import { offer, upCancel, upHello, upRequest } from '../support/v2-frames.ts'
import { virtually } from '../support/virtual.ts'

const about = { action: 'Host.load', seq: 12, stopping: false, over: false }
const at = 'tcp://127.0.0.1:50312'

it('names the action, the seq, the caller, and what the call is at', () => {
  assert.equal(taskText(about, at, 130), `Host.load #12 from ${at}, running 130 ms`)
  assert.equal(taskText({ ...about, stopping: true }, at, 130), `Host.load #12 from ${at}, stopping after 130 ms`)
  assert.equal(taskText({ ...about, stopping: true, over: true }, at, 130), `Host.load #12 from ${at}, over`)
  assert.equal(
    taskText({ ...about, action: 3, seq: 2n ** 60n }, at, 0),
    `action 3 #${2n ** 60n} from ${at}, running 0 ms`,
  )
})

it('quotes a name that would garble a log', () => {
  const text = taskText({ ...about, action: 'a\nERROR "b"' }, at, 0)
  assert.equal(text, `"a\\nERROR \\"b\\"" #12 from ${at}, running 0 ms`)
})

it(
  'is what a call prints as, in a template and in the console',
  virtually(world => {
    const calls: ServerCall[] = []
    const texts: string[] = []
    const { address } = world.server({
      dispatch: call => {
        calls.push(call)
        return call.action === 'S.slow' ? new Promise(() => undefined) : NEVER
      },
    })
    const peer = world.rawClient(address)
    const print = (): void => {
      for (const call of calls) texts.push(`${call}`)
    }
    peer.send(offer(), upHello())
    world.at(100, () => peer.send(upRequest(2, { action: 'S.slow' }), upRequest(3, { action: 'S.feed', window: 1 })))
    world.at(230, print)
    world.at(240, () => peer.send(upCancel(2), upCancel(3)))
    world.at(250, print)
    world.at(260, () => assert.equal(inspect(calls[0]), `${calls[0]}`))
    world.end(300)
    return () => {
      const from = `from ${address}`
      assert.deepEqual(texts, [
        `S.slow #2 ${from}, running 130 ms`,
        `S.feed #3 ${from}, running 130 ms`,
        `S.slow #2 ${from}, stopping after 150 ms`,
        `S.feed #3 ${from}, over`,
      ])
    }
  }),
)
