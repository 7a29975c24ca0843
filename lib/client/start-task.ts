/**
 * A call that is subscribed to becomes a task.
 */
import { type Subscriber, Subscription, type Unsubscribable } from 'rxjs'
import type { CallRequest } from './call.ts'
import { type ClientFacts, callTimeout } from './config.ts'
import { StreamTask } from './stream-task.ts'
import { ClientTask } from './task.ts'
import type { TaskOwner } from './task-owner.ts'

/** Does the call take a slot of the streams? */
export function isStreaming({ window, items }: CallRequest<unknown>): boolean {
  return window !== undefined || items !== undefined
}

/** Makes the task of a call and hands it to `enter`; returns how to unsubscribe, where it is not over by then. */
export function startTask<T>(
  request: CallRequest<T>,
  caller: Subscriber<T>,
  facts: ClientFacts,
  owner: TaskOwner,
  enter: (task: ClientTask) => void,
): Unsubscribable | undefined {
  const { timeoutMs: wanted, window, deadline, signal } = request
  const timeoutMs = callTimeout(wanted, facts.config, window, deadline)
  const Task = isStreaming(request) ? StreamTask : ClientTask
  const task = new Task(owner, request, timeoutMs, caller as Subscriber<unknown>)
  enter(task)
  if (task.over) return undefined
  if (signal === undefined) return task
  const abort = (): void => task.abort(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  return new Subscription(() => {
    signal.removeEventListener('abort', abort)
    task.unsubscribe()
  })
}
