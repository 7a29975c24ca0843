/**
 * `CalculatorService`, as the Rust crates' examples have it: small methods to call by hand and to test other clients with.
 * Integers are i32 and wrap, as Rust's `wrapping_*` do: `inc(2147483647)` is -2147483648, and so is
 * `div([-2147483648, -1])`.
 */
import { map, timer } from 'rxjs'
import type { U64 } from '../../protocol/bytes.ts'
import { SERVER_DEFAULTS } from '../../server/config.ts'
import { type Contract, service, type, type Unary, unary } from '../../service/contract.ts'
import { type Implementation, implement } from '../../service/handlers.ts'
import { i32, nil, text, tuple, u32, u64 } from './shapes.ts'

/** The longest text that still fits into an answer, whose head of 5 bytes counts too. */
const MAX_TEXT_BYTES = SERVER_DEFAULTS.maxMessageBytes - 5

/** The longest time a timer of Node can wait; every call is over long before. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

const EIO = 5

/** The contract of the calculator. */
export const CalculatorService: Contract<{
  readonly inc: Unary<number, number, string>
  readonly add: Unary<[number, number], number, string>
  readonly div: Unary<[number, number], number, 'divide by zero'>
  readonly repeat: Unary<[string, number], string, string>
  readonly sleep_ms: Unary<U64, U64, string>
  readonly io_error: Unary<void, void, number>
}> = service('CalculatorService', {
  /** Adds one. */
  inc: unary({ input: i32, output: type<number>() }),
  add: unary({ input: tuple(i32, i32), output: type<number>() }),
  /** The quotient without its fraction: `div([-7, 2])` is -3. By zero: the text `divide by zero`. */
  div: unary({ input: tuple(i32, i32), output: type<number>(), error: type<'divide by zero'>() }),
  /** The text that many times. A text that is too long for an answer is refused, before it is made. */
  repeat: unary({ input: tuple(text, u32), output: type<string>() }),
  /** Answers its argument after that many milliseconds. */
  sleep_ms: unary({ input: u64, output: type<U64>() }),
  /** Always EIO. */
  io_error: unary({ input: nil, errors: 'errno' }),
})

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
  sleep_ms: ms => timer(Math.min(Number(ms), LONGEST_TIMER_MS)).pipe(map(() => ms)),
  io_error: (_, { fail }) => {
    throw fail(EIO)
  },
})
