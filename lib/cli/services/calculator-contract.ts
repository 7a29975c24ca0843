/**
 * The contract of `CalculatorService`. Plain data without a module of Node: a page in a browser may import it.
 */
import type { U64 } from '../../protocol/bytes.ts'
import { type Contract, service, type, type Unary, unary } from '../../service/contract.ts'
import { i32, nil, text, tuple, u32, u64 } from './shapes.ts'

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
