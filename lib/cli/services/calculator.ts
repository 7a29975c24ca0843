/**
 * `CalculatorService`, as the Rust crates' examples have it: small methods to call by hand and to test other clients with.
 * Integers are i32 and wrap, as Rust's `wrapping_*` do: `inc(2147483647)` is -2147483648, and so is
 * `div([-2147483648, -1])`.
 */
import { map } from 'rxjs'
import { longTimer } from '../../flow/long-timer.ts'
import { SERVER_DEFAULTS } from '../../server/config.ts'
import { type Implementation, implement } from '../../service/handlers.ts'
import { CalculatorService } from './calculator-contract.ts'
import { EIO } from './confined.ts'

/** The longest text that still fits into an answer, whose head of 5 bytes counts too. */
const MAX_TEXT_BYTES = SERVER_DEFAULTS.maxMessageBytes - 5

/** The handlers. */
export const calculator: Implementation = implement(CalculatorService, {
  inc: value => (value + 1) | 0,
  add: ([a, b]) => (a + b) | 0,
  div: ([a, b], { fail }) => {
    if (b === 0) throw fail('divide by zero')
    return (a / b) | 0
  },
  repeat: ([part, times], { fail }) => {
    const bytes = Buffer.byteLength(part) * times
    if (bytes > MAX_TEXT_BYTES) throw fail(`text of ${bytes} bytes is over ${MAX_TEXT_BYTES}`)
    return part.repeat(times)
  },
  sleep_ms: ms => longTimer(Number(ms)).pipe(map(() => ms)),
  io_error: (_, { fail }) => {
    throw fail(EIO)
  },
})
