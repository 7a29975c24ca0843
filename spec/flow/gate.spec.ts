/**
 * The gate: when it is open, and what its observers hear.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Gate } from '../../lib/flow/gate.ts'

function heardBy(gate: Gate): boolean[] {
  const heard: boolean[] = []
  gate.changes$.subscribe({ next: open => heard.push(open), error: assert.fail })
  return heard
}

describe('Gate', () => {
  it('is open until it is held, and tells an observer nothing at first', () => {
    const gate = new Gate()
    const heard = heardBy(gate)
    assert.equal(gate.open, true)
    assert.deepEqual(heard, [])
  })

  it('stays closed until the last reason is gone', () => {
    const gate = new Gate()
    const heard = heardBy(gate)
    gate.hold('calls')
    gate.hold('output')
    gate.release('calls')
    assert.equal(gate.open, false)
    gate.release('output')
    assert.equal(gate.open, true)
    assert.deepEqual(heard, [false, true])
  })

  it('counts a reason once, however often it holds', () => {
    const gate = new Gate()
    const heard = heardBy(gate)
    assert.equal(gate.hold('calls'), true)
    assert.equal(gate.hold('calls'), false)
    gate.release('calls')
    assert.equal(gate.open, true)
    assert.deepEqual(heard, [false, true])
  })

  it('takes no notice of a release of a reason that does not hold it', () => {
    const gate = new Gate()
    const heard = heardBy(gate)
    gate.release('calls')
    gate.hold('output')
    gate.release('calls')
    assert.equal(gate.open, false)
    assert.deepEqual(heard, [false])
  })

  it('tells an observer that came while it was closed when it opens', () => {
    const gate = new Gate()
    gate.hold('calls')
    const heard = heardBy(gate)
    gate.release('calls')
    assert.deepEqual(heard, [true])
  })

  it('tells an observer that left nothing more', () => {
    const gate = new Gate()
    const heard: boolean[] = []
    const subscription = gate.changes$.subscribe({ next: open => heard.push(open), error: assert.fail })
    gate.hold('calls')
    subscription.unsubscribe()
    gate.release('calls')
    assert.deepEqual(heard, [false])
  })

  it('leaves no observer with a stale state when another closes it from within its opening', () => {
    const gate = new Gate()
    gate.hold('calls')
    const first = heardBy(gate)
    gate.changes$.subscribe({ next: open => open && gate.hold('output'), error: assert.fail })
    const last = heardBy(gate)
    gate.release('calls')
    assert.equal(gate.open, false)
    assert.deepEqual(first, [true, false])
    assert.deepEqual(last, [], 'nothing changed for it')
  })

  it('leaves no observer with a stale state when another opens it from within its closing', () => {
    const gate = new Gate()
    gate.changes$.subscribe({ next: open => !open && gate.release('calls'), error: assert.fail })
    const last = heardBy(gate)
    gate.hold('calls')
    assert.equal(gate.open, true)
    assert.deepEqual(last, [])
  })
})
