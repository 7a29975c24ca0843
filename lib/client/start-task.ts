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

/** The task of a call that was subscribed to. */
export function taskOf<T>(
  request: CallRequest<T>,
  caller: Subscriber<T>,
  facts: ClientFacts,
  owner: TaskOwner,
): ClientTask {
  const { timeoutMs: wanted, window, deadline } = request
  const timeoutMs = callTimeout(wanted, facts.config, window, deadline)
  const Task = isStreaming(request) ? StreamTask : ClientTask
  return new Task(owner, request, timeoutMs, caller as Subscriber<unknown>)
}

/** How its caller unsubscribes from a task that was started; it hears its signal as long. `undefined` where it is over by now. */
export function subscriptionOf(task: ClientTask): Unsubscribable | undefined {
  if (task.over) return undefined
  const { signal } = task.request
  if (signal === undefined) return task
  const abort = (): void => task.abort(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  return new Subscription(() => {
    signal.removeEventListener('abort', abort)
    task.unsubscribe()
  })
}
