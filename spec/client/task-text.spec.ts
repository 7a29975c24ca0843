/**
 * What a call of a client prints as.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { inspect } from 'node:util'
import { Subscriber } from 'rxjs'
import { ClientTask } from '../../lib/client/task.ts'
import type { TaskOwner } from '../../lib/client/task-owner.ts'

it('prints where it goes, and how far it is', () => {
  const owner = {
    address: 'tcp://127.0.0.1:4000',
    released: () => undefined,
    leaving: () => true,
  } as Partial<TaskOwner> as TaskOwner
  const task = new ClientTask(owner, { action: 'Host.load' }, 1000, new Subscriber())
  assert.equal(String(task), 'Host.load to tcp://127.0.0.1:4000, waiting')
  task.seq = 12
  assert.equal(inspect(task), 'Host.load #12 to tcp://127.0.0.1:4000, sent')
  task.unsubscribe()
  assert.equal(String(task), 'Host.load #12 to tcp://127.0.0.1:4000, given up')
})
