/** A link that can be stalled: nothing passes for a while, nothing is lost, and what waits is seen. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NEVER, Subject } from 'rxjs'
import { StalledLink } from '../../../lib/cli/dashboard/stalled-link.ts'
import type { Link } from '../../../lib/transport/link.ts'

/** A link that notes what is done to it. */
class NotedLink implements Link {
  readonly address = 'ws://127.0.0.1:1'
  readonly transport = 'ws'
  readonly chunks$ = NEVER
  readonly drained = new Subject<void>()
  readonly drained$ = this.drained.asObservable()
  readonly did: string[] = []
  unsentBytes = 0

  pause = () => void this.did.push('pause')
  resume = () => void this.did.push('resume')
  send = (bytes: Uint8Array) => void this.did.push(`send ${bytes.join()}`)
  close = (code?: number) => void this.did.push(`close ${code}`)
  destroy = () => void this.did.push('destroy')
}

function stalled(): { inner: NotedLink; link: StalledLink; emptied: () => number } {
  const inner = new NotedLink()
  const link = new StalledLink(inner)
  let emptied = 0
  link.drained$.subscribe({
    next: () => emptied++,
    complete: () => {
      emptied += 100
    },
    error: assert.fail,
  })
  return { inner, link, emptied: () => emptied }
}

describe('a link that is stalled', () => {
  it('passes everything on as long as it is not', () => {
    const { inner, link } = stalled()
    link.send(Uint8Array.of(1))
    link.pause()
    link.resume()
    assert.deepEqual(inner.did, ['send 1', 'pause', 'resume'])
  })

  it('keeps what is sent, counts it, and sends it in order when it flows again', () => {
    const { inner, link, emptied } = stalled()
    link.stall()
    link.send(Uint8Array.of(1))
    link.send(Uint8Array.of(2, 3))
    assert.deepEqual([inner.did, link.unsentBytes, emptied()], [['pause'], 3, 0])
    inner.drained.next()
    assert.equal(emptied(), 0)
    link.flow()
    assert.deepEqual(inner.did, ['pause', 'send 1', 'send 2,3', 'resume'])
    assert.deepEqual([link.unsentBytes, emptied()], [0, 1])
  })

  it('stays paused where its owner has paused it', () => {
    const { inner, link } = stalled()
    link.stall()
    link.pause()
    link.flow()
    assert.deepEqual(inner.did, ['pause', 'pause'])
    link.resume()
    assert.equal(inner.did.at(-1), 'resume')
  })

  it('is not resumed by its owner', () => {
    const { inner, link } = stalled()
    link.stall()
    link.resume()
    assert.deepEqual(inner.did, ['pause'])
  })

  it('sends what has waited before it closes, and drops it where it is destroyed', () => {
    const closing = stalled()
    closing.link.stall()
    closing.link.send(Uint8Array.of(1))
    closing.link.close(4491)
    assert.deepEqual(closing.inner.did, ['pause', 'send 1', 'resume', 'close 4491'])
    const dropped = stalled()
    dropped.link.stall()
    dropped.link.send(Uint8Array.of(1))
    dropped.link.destroy()
    dropped.link.flow()
    assert.ok(!dropped.inner.did.includes('send 1'))
    assert.equal(dropped.link.unsentBytes, 0)
  })

  it('is over when the link below is', () => {
    const { inner, emptied } = stalled()
    inner.drained.complete()
    assert.equal(emptied(), 100)
  })
})
