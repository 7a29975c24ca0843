/**
 * The queue of bytes, against the plainest model there is: all bytes that ever came, and a position.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ChunkBuffer } from '../../lib/protocol/chunk-buffer.ts'
import { watch } from '../support/effort.ts'
import { concat, fromHex } from '../support/hex.ts'

/** Byte `i` of all that is ever pushed: neighbours, and the same place of another block, differ. */
function byteAt(i: number): number {
  return (i * 167 + (i >> 8) * 59 + (i >> 16)) & 0xff
}

function bytesFrom(start: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => byteAt(start + i))
}

/** How a chunk may come: an array of its own, a window of a larger one, a Buffer. */
const FORMS = {
  own: (bytes: Uint8Array) => bytes,
  window: (bytes: Uint8Array) =>
    concat([fromHex('ee ee ee'), bytes, new Uint8Array(5000)]).subarray(3, 3 + bytes.length),
  buffer: (bytes: Uint8Array) => Buffer.from(bytes),
} as const

type Step =
  | { readonly push: number; readonly form: keyof typeof FORMS }
  | { readonly take: number }
  | { readonly peek: number; readonly skip: boolean }
  | 'compact'

const size = fc.oneof(
  { weight: 4, arbitrary: fc.nat(40) },
  { weight: 2, arbitrary: fc.integer({ min: 200, max: 1100 }) },
  { weight: 1, arbitrary: fc.constantFrom(255, 256, 257, 1023, 1024, 1025, 3000) },
)
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ push: size, form: fc.constantFrom('own', 'window', 'buffer') }) },
    { weight: 2, arbitrary: fc.record({ take: size }) },
    { weight: 1, arbitrary: fc.record({ peek: fc.integer({ min: 1, max: 60 }), skip: fc.boolean() }) },
    { weight: 1, arbitrary: fc.constant('compact' as const) },
  ),
  { maxLength: 150 },
)

/** Takes the steps, checks every answer, and at the end that nothing pushed or handed out has changed. */
function follow(list: readonly Step[]): void {
  const buffer = new ChunkBuffer()
  const seen: { readonly what: string; readonly view: Uint8Array; readonly copy: Uint8Array }[] = []
  let pushed = 0
  let taken = 0
  const keep = (what: string, view: Uint8Array, copy: Uint8Array): void => {
    if (Buffer.compare(view, copy) !== 0) assert.fail(`${what} is wrong, at ${taken} of ${pushed}`)
    seen.push({ what, view, copy })
  }
  for (const step of list) {
    const held = pushed - taken
    if (step === 'compact') {
      buffer.compact()
    } else if ('push' in step) {
      const bytes = bytesFrom(pushed, step.push)
      const chunk = FORMS[step.form](bytes.slice())
      // What lies around a window stays as it is, too; around a Buffer is the pool of others.
      const view = step.form === 'buffer' ? chunk : new Uint8Array(chunk.buffer)
      seen.push({ what: 'a chunk', view, copy: new Uint8Array(view) })
      buffer.push(chunk)
      pushed += step.push
    } else if ('take' in step) {
      const length = Math.min(step.take, held)
      if (length === 0) continue
      const part = buffer.take(length)
      assert.equal(part.constructor, Uint8Array)
      keep(`a part of ${length} bytes`, part, bytesFrom(taken, length))
      taken += length
    } else {
      const length = Math.min(step.peek, held)
      if (length === 0) continue
      const { bytes, at } = peek(buffer, length)
      keep(`a peek at ${length} bytes`, bytes.subarray(at, at + length), bytesFrom(taken, length))
      if (step.skip) {
        buffer.skip(length)
        taken += length
      }
    }
    assert.equal(buffer.length, pushed - taken)
  }
  const rest = buffer.length
  if (rest > 0) keep('the rest', buffer.take(rest), bytesFrom(taken, rest))
  for (const { what, view, copy } of seen) if (Buffer.compare(view, copy) !== 0) assert.fail(`${what} changed later`)
}

/** The next bytes in one piece, and where in it they stand. */
function peek(buffer: ChunkBuffer, bytes: number): { readonly bytes: Uint8Array; readonly at: number } {
  return { bytes: buffer.joined(bytes), at: buffer.at }
}

describe('ChunkBuffer', () => {
  it('gives the bytes in order, and changes neither a chunk nor a part later, whatever is pushed, taken, peeked at and skipped', () => {
    fc.assert(
      fc.property(steps, list => follow(list)),
      { numRuns: 500 },
    )
  })

  it('does so where chunks of one byte are gathered while parts are taken from their front', () => {
    const one = fc.oneof(
      { weight: 8, arbitrary: fc.constant<Step>({ push: 1, form: 'own' }) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 4 }).map<Step>(take => ({ take })) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 4 }).map<Step>(peek => ({ peek, skip: peek > 2 })) },
      { weight: 1, arbitrary: fc.constant<Step>('compact') },
    )
    fc.assert(
      fc.property(fc.array(one, { minLength: 400, maxLength: 1500, size: 'max' }), list => follow(list)),
      { numRuns: 60 },
    )
  })

  it('gives a part within one chunk as a view of it, and one across a border as a copy', () => {
    const [first, second] = [bytesFrom(0, 2000), bytesFrom(2000, 2000)]
    const buffer = new ChunkBuffer()
    buffer.push(first)
    buffer.push(second)
    const parts = [1500, 1000, 1500].map(length => buffer.take(length))
    assert.deepEqual(concat(parts), concat([first, second]))
    assert.deepEqual(
      parts.map(part => part.buffer),
      [first.buffer, parts[1]!.buffer, second.buffer],
    )
    assert.equal(parts[1]!.buffer.byteLength, 1000)
  })

  it('joins what it peeks at only once', () => {
    const buffer = new ChunkBuffer()
    buffer.push(bytesFrom(0, 5))
    buffer.push(bytesFrom(5, 5))
    const first = peek(buffer, 8)
    const again = peek(buffer, 8)
    assert.equal(again.bytes, first.bytes)
    assert.equal(buffer.length, 10)
    assert.equal(buffer.take(8).buffer, first.bytes.buffer)
    assert.deepEqual(buffer.take(2), bytesFrom(8, 2))
  })

  it('goes on after it was empty, as if it were new', () => {
    const buffer = new ChunkBuffer()
    for (let round = 0; round < 3; round++) {
      for (const length of [3, 4, 5]) buffer.push(bytesFrom(0, length))
      assert.deepEqual(buffer.take(12), concat([3, 4, 5].map(length => bytesFrom(0, length))))
      assert.equal(buffer.length, 0)
      buffer.push(new Uint8Array(0))
      assert.equal(buffer.length, 0)
    }
  })

  it('moves no long list about while a long queue is pushed to and taken from', () => {
    const chunk = bytesFrom(0, 2000)
    const buffer = new ChunkBuffer()
    for (let i = 0; i < 1000; i++) buffer.push(chunk)
    const effort = watch(() => {
      for (let i = 0; i < 4000; i++) {
        buffer.take(2000)
        buffer.push(chunk)
      }
    })
    assert.ok(effort.movedPlaces <= 4 * 4000, `${effort.movedPlaces} places moved for 4000 chunks`)
  })

  it('lets go of a block of its own as well, where only a little of it is left', () => {
    const buffer = new ChunkBuffer()
    for (let i = 0; i < 20_000; i += 100) buffer.push(bytesFrom(i, 100))
    buffer.take(19_990)
    buffer.compact()
    const { bytes, at } = peek(buffer, 10)
    assert.deepEqual(bytes.slice(at, at + 10), bytesFrom(19_990, 10))
    assert.ok(bytes.buffer.byteLength <= 256, `${bytes.buffer.byteLength} bytes are held for 10`)
  })

  it('leaves a tail where it is that would gain nothing from moving', () => {
    for (const [length, left] of [
      [100, 10],
      [4000, 1000],
      [4000, 1025],
    ] as const) {
      const chunk = bytesFrom(0, length)
      const buffer = new ChunkBuffer()
      buffer.push(chunk)
      buffer.take(length - left)
      buffer.compact()
      assert.equal(peek(buffer, left).bytes.buffer, chunk.buffer)
    }
  })
})
