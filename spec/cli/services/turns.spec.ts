/** Work in turns. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { firstValueFrom } from 'rxjs'
import { inTurns } from '../../../lib/cli/services/turns.ts'

/** Work that ends when it is told to. */
class Work {
  begun = false
  end: (value: string) => void = assert.fail
  fail: (error: Error) => void = assert.fail
  readonly run = (): Promise<string> => {
    this.begun = true
    return new Promise((resolve, reject) => {
      this.end = resolve
      this.fail = reject
    })
  }
}

describe('work in turns', () => {
  it('begins when a turn is free, and hands each result to its own caller', async () => {
    const turn = inTurns(2)
    const works = [new Work(), new Work(), new Work()] as const
    const results = works.map(work => firstValueFrom(turn(work.run)))
    assert.deepEqual(
      works.map(work => work.begun),
      [true, true, false],
    )
    works[1].end('b')
    assert.equal(await results[1], 'b')
    await Promise.resolve()
    assert.equal(works[2].begun, true)
    works[0].fail(new Error('a'))
    works[2].end('c')
    await assert.rejects(results[0]!, /^Error: a$/)
    assert.equal(await results[2], 'c')
  })

  it('never begins what was unsubscribed while it waited', async () => {
    const turn = inTurns(1)
    const [first, second, third] = [new Work(), new Work(), new Work()]
    const done = firstValueFrom(turn(first.run))
    turn(second.run).subscribe({ error: assert.fail }).unsubscribe()
    const last = firstValueFrom(turn(third.run))
    first.end('a')
    await done
    await Promise.resolve()
    third.end('c')
    assert.equal(await last, 'c')
    assert.equal(second.begun, false)
  })

  it('keeps the turn of what was unsubscribed while it ran', async () => {
    const turn = inTurns(1)
    const [first, second] = [new Work(), new Work()]
    turn(first.run).subscribe({ error: assert.fail }).unsubscribe()
    const last = firstValueFrom(turn(second.run))
    assert.equal(second.begun, false)
    first.fail(new Error('nobody hears this'))
    await new Promise(resolve => setImmediate(resolve))
    second.end('b')
    assert.equal(await last, 'b')
  })
})
