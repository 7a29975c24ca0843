/**
 * Items out of a source and into a call, no faster than the far end takes them: what can be pulled is pulled, what pushes
 * meets its policy.
 */
import { isObservable } from 'rxjs'
import { RpcError } from '../error.ts'
import type { ItemSink, ItemSource } from './item-source.ts'
import type { Overflow } from './overflow.ts'
import { type AnyIterable, PulledSource } from './pulled-source.ts'
import { PushedSource } from './pushed-source.ts'

export type { ItemSink, ItemSource }

/**
 * What can be read as items: an Observable, an (async) iterable such as an array, a generator or a Node readable, or a Promise
 * of one. Bytes are one value, not a source of numbers.
 */
export function isSource(value: unknown): boolean {
  return isObservable(value) || isIterable(value) || isThenable(value)
}

/** Starts reading `source`; `window` is how many items the policies `buffer` and `conflate` keep. */
export function readSource(source: unknown, sink: ItemSink, policy: Overflow, window: number): ItemSource {
  if (isObservable(source)) return new PushedSource(source, sink, policy, window)
  if (isIterable(source)) return pulled(source, sink)
  if (isThenable(source)) return new PromisedSource(source, sink, policy, window)
  sink.error(new RpcError('rpc_internal_err', `a stream needs an Observable or an iterable, not ${kindOf(source)}`))
  return NO_SOURCE
}

const NO_SOURCE: ItemSource = { dropped: 0, pump: () => undefined, stop: () => undefined }

function pulled(source: AnyIterable, sink: ItemSink): ItemSource {
  let reading: PulledSource
  try {
    reading = new PulledSource(source, sink)
  } catch (error) {
    sink.error(error)
    return NO_SOURCE
  }
  reading.pump()
  return reading
}

function isIterable(value: unknown): value is AnyIterable {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false
  return Symbol.asyncIterator in value || Symbol.iterator in value
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return typeof value === 'object' ? (value.constructor?.name ?? 'object') : typeof value
}

/** A Promise of a source, until it is there. */
class PromisedSource implements ItemSource {
  #source: ItemSource | undefined
  #stopped = false

  constructor(promise: PromiseLike<unknown>, sink: ItemSink, policy: Overflow, window: number) {
    Promise.resolve(promise).then(
      source => {
        if (this.#stopped) {
          release(source, sink)
          return
        }
        this.#source = readSource(source, sink, policy, window)
        if (this.#stopped) this.#source.stop()
      },
      error => {
        if (this.#stopped) sink.complain(error)
        else sink.error(error)
      },
    )
  }

  get dropped(): number {
    return this.#source?.dropped ?? 0
  }

  pump(): void {
    this.#source?.pump()
  }

  stop(): void {
    this.#stopped = true
    this.#source?.stop()
  }
}

/** Lets go of what nobody will read: an Observable was not subscribed to, but a readable may hold a file open. */
export function release(source: unknown, sink: ItemSink): void {
  if (isObservable(source) || !isIterable(source)) return
  try {
    new PulledSource(source, sink).stop()
  } catch (error) {
    sink.complain(error)
  }
}
