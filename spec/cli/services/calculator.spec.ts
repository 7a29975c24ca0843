/** `CalculatorService`, over every layer to the bytes and back. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { catchError, firstValueFrom, type Observable, of } from 'rxjs'
import { calculator } from '../../../lib/cli/services/calculator.ts'
import { CalculatorService } from '../../../lib/cli/services/calculator-contract.ts'
import { RpcError, UserError } from '../../../lib/error.ts'
import { linkedPair } from '../../../lib/testing/index.ts'
import { marbles } from '../../support/marbles.ts'

const { client, expectNoLeaks } = linkedPair({ services: [calculator] })
const service = client.use(CalculatorService)
after(expectNoLeaks)

/** What a call answers, or the value or the code it fails with. */
const outcome = (call$: Observable<unknown>): Promise<unknown> =>
  firstValueFrom(
    call$.pipe(catchError(error => of(error instanceof UserError ? { user: error.value } : RpcError.from(error).code))),
  )

const raw = (method: string, input: unknown) => outcome(client.call({ action: `CalculatorService.${method}`, input }))

describe('CalculatorService', () => {
  it('adds with i32, which wrap', async () => {
    assert.equal(await outcome(service.inc(-5)), -4)
    assert.equal(await outcome(service.inc(2147483647)), -2147483648)
    assert.equal(await outcome(service.add([10, -42])), -32)
    assert.equal(await outcome(service.add([-2147483648, -1])), 2147483647)
  })

  it('divides towards zero, wraps the one quotient that is no i32, and fails by zero', async () => {
    assert.equal(await outcome(service.div([7, 2])), 3)
    assert.equal(await outcome(service.div([-7, 2])), -3)
    assert.ok(Object.is(await outcome(service.div([-1, 2])), 0))
    assert.equal(await outcome(service.div([-2147483648, -1])), -2147483648)
    assert.deepEqual(await outcome(service.div([1, 0])), { user: 'divide by zero' })
  })

  it('repeats a text, and refuses one that no answer could hold', async () => {
    assert.equal(await outcome(service.repeat(['ab', 3])), 'ababab')
    assert.equal(await outcome(service.repeat(['', 4294967295])), '')
    assert.equal(((await outcome(service.repeat(['x', 1048571]))) as string).length, 1048571)
    assert.deepEqual(await outcome(service.repeat(['x', 1048572])), { user: 'text of 1048572 bytes is over 1048571' })
    assert.deepEqual(await outcome(service.repeat(['é', 4294967295])), {
      user: 'text of 8589934590 bytes is over 1048571',
    })
  })

  it('fails io_error with errno 5', async () => {
    assert.deepEqual(await outcome(service.io_error()), { user: 5 })
  })

  it('refuses an argument that is out of range, no integer or of the wrong shape', async () => {
    const refused: readonly [string, readonly unknown[]][] = [
      ['inc', [2147483648, -2147483649, 1.5, '1', null, true, [1], 2n ** 60n, Number.NaN]],
      ['add', [[1], [1, 2, 3], [1, 2147483648], [1, '2'], { 0: 1, 1: 2 }, 1]],
      ['div', [[1, 0.5]]],
      ['repeat', [['a', -1], ['a', 4294967296], [1, 1], ['a']]],
      ['sleep_ms', [-1, 0.5, '1', -1n]],
      ['io_error', [0, [], {}, false]],
    ]
    for (const [method, inputs] of refused) {
      for (const input of inputs) assert.equal(await raw(method, input), 'rpc_decode', `${method} ${String(input)}`)
    }
  })

  it(
    'answers sleep_ms after that time, and keeps every digit of it',
    marbles(({ expectObservable }) => {
      expectObservable(service.sleep_ms(5)).toBe('5ms (a|)', { a: 5 })
      expectObservable(service.sleep_ms(0)).toBe('(a|)', { a: 0 })
    }),
  )

  it(
    'does not wake at once from a sleep that no timer can count',
    marbles(({ expectObservable }) => {
      const long = service.sleep_ms(2n ** 64n - 1n, { timeoutMs: 3_600_000 }).pipe(catchError(e => of(e.code)))
      expectObservable(long).toBe('60m (a|)', { a: 'rpc_timeout' })
    }),
  )
})
