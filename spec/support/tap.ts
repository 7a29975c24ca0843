/**
 * What specs see of a link: everything that came, and how it ended.
 */
import assert from 'node:assert/strict'
import { filter, firstValueFrom, Subject, type Subscription, startWith } from 'rxjs'
import type { Link } from '../../lib/transport/link.ts'

/** Subscribes to a link in the turn it is handed over. Chunks are kept as they came, so that a later change would show. */
export class Tap {
  readonly link: Link
  readonly chunks: Uint8Array[] = []
  readonly ends: ('complete' | Error)[] = []
  readonly subscription: Subscription
  bytes = 0
  drains = 0
  drainedCompleted = false
  readonly #changed = new Subject<void>()

  constructor(link: Link) {
    this.link = link
    link.drained$.subscribe({
      next: () => {
        this.drains++
        this.#changed.next()
      },
      error: error => this.#end(error),
      complete: () => {
        this.drainedCompleted = true
        this.#changed.next()
      },
    })
    this.subscription = link.chunks$.subscribe({
      next: chunk => {
        this.chunks.push(chunk)
        this.bytes += chunk.length
        this.#changed.next()
      },
      error: error => this.#end(error),
      complete: () => this.#end('complete'),
    })
  }

  /** Resolves when something that came makes `condition` true, at once where it is. */
  async until(condition: () => boolean): Promise<void> {
    await firstValueFrom(this.#changed.pipe(startWith(undefined), filter(condition)))
  }

  /** Closes the link when its far end finished, as every owner of a link must. */
  closing(): this {
    this.ended().then(() => this.link.close(), assert.fail)
    return this
  }

  async ended(): Promise<'complete' | Error> {
    await this.until(() => this.ends.length > 0)
    return this.ends[0]!
  }

  received(): Buffer {
    return Buffer.concat(this.chunks)
  }

  #end(end: 'complete' | Error): void {
    this.ends.push(end)
    this.#changed.next()
  }
}
