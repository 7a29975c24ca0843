/**
 * Each call of `fixtures/razor-0.9.json` as a user of this library makes it, and what comes of it.
 */
import type { Observable } from 'rxjs'
import type { RpcCode, U64 } from '../../lib/index.ts'
import { RpcError, UserError } from '../../lib/index.ts'
import { fromHex } from './hex.ts'
import type { RustProxies, RustRecord } from './rust-services.ts'

/** What a call ends with: an answer, or the error of its handler, or one of the library's codes. */
export type Outcome = { readonly answer: unknown } | { readonly user: unknown } | { readonly code: RpcCode }

/** One call. */
export interface RecordedCall {
  /** That of the recording. */
  readonly name: string
  readonly make: (proxies: RustProxies) => Observable<unknown>
  readonly outcome: Outcome
}

const answer = (value: unknown): Outcome => ({ answer: value })
const user = (value: unknown): Outcome => ({ user: value })
const code = (text: RpcCode): Outcome => ({ code: text })
const withBlob = (blob: string, value?: unknown): Outcome => answer({ value, blob: fromHex(blob) })

const TWO_53 = 9_007_199_254_740_992n
const U64_MAX = 18_446_744_073_709_551_615n
const I64_MIN = -9_223_372_036_854_775_808n
const I64_MAX = 9_223_372_036_854_775_807n

const u64s = [0, 127, 128, 255, 256, 65_535, 65_536, 2_147_483_647, TWO_53, TWO_53 + 1n, U64_MAX]
const i64s = [-1, -32, -33, -128, -129, -32_768, -32_769, -2_147_483_648, -2_147_483_649, I64_MIN, I64_MAX]

/** The fields in the order of the struct, which is theirs on the wire. */
const record = (id: U64, note: string | null, shape: RustRecord['shape'], tags: string[]): RustRecord => ({
  id,
  name: 'naïve ✓',
  inner: { label: 'in', weight: -5_000_000_000 },
  note,
  shape,
  tags,
})

const records: readonly (readonly [kind: string, record: RustRecord])[] = [
  ['unit', record(TWO_53 + 1n, null, 'Empty', [])],
  ['newtype', record(TWO_53 + 1n, 'n', { Circle: 1.5 }, ['a', ''])],
  ['tuple', record(TWO_53 + 1n, null, { Rect: [0, 4_294_967_295] }, [])],
  ['struct', record(0, null, { Named: { title: 't'.repeat(40), sides: 255 } }, [])],
]

/** In the order of the recording. */
export const recordedCalls: readonly RecordedCall[] = [
  { name: 'CalculatorService.inc 0', make: p => p.calculator.inc(0), outcome: answer(1) },
  { name: 'CalculatorService.inc 127', make: p => p.calculator.inc(127), outcome: answer(128) },
  {
    name: 'CalculatorService.inc 2147483646',
    make: p => p.calculator.inc(2_147_483_646),
    outcome: answer(2_147_483_647),
  },
  { name: 'CalculatorService.add 10 -42', make: p => p.calculator.add([10, -42]), outcome: answer(-32) },
  { name: 'CalculatorService.div 7 -2', make: p => p.calculator.div([7, -2]), outcome: answer(-3) },
  { name: 'CalculatorService.div by zero', make: p => p.calculator.div([1, 0]), outcome: user('divide by zero') },
  { name: 'CalculatorService.repeat ab 3', make: p => p.calculator.repeat(['ab', 3]), outcome: answer('ababab') },
  { name: 'CalculatorService.io_error', make: p => p.calculator.io_error(), outcome: user(5) },
  ...u64s.map(value => ({
    name: `EchoService.u64 ${value}`,
    make: (p: RustProxies) => p.echo.u64(value),
    outcome: answer(value),
  })),
  ...i64s.map(value => ({
    name: `EchoService.i64 ${value}`,
    make: (p: RustProxies) => p.echo.i64(value),
    outcome: answer(value),
  })),
  { name: 'EchoService.u8 255', make: p => p.echo.u8(255), outcome: answer(255) },
  { name: 'EchoService.i8 -128', make: p => p.echo.i8(-128), outcome: answer(-128) },
  { name: 'EchoService.unit', make: p => p.echo.unit(), outcome: answer(null) },
  { name: 'EchoService.boolean true', make: p => p.echo.boolean(true), outcome: answer(true) },
  { name: 'EchoService.f32 1.5', make: p => p.echo.f32(1.5), outcome: answer(1.5) },
  { name: 'EchoService.f64 0.1', make: p => p.echo.f64(0.1), outcome: answer(0.1) },
  { name: 'EchoService.string', make: p => p.echo.string('héllo ✓ 🦀'), outcome: answer('héllo ✓ 🦀') },
  {
    name: 'EchoService.bytes 5',
    make: p => p.echo.bytes(fromHex('15 34 53 72 91')),
    outcome: answer(fromHex('15 34 53 72 91')),
  },
  { name: 'EchoService.opt None', make: p => p.echo.opt(null), outcome: answer(null) },
  { name: 'EchoService.opt Some', make: p => p.echo.opt(42), outcome: answer(42) },
  { name: 'EchoService.vec', make: p => p.echo.vec([1, 200, 70_000]), outcome: answer([1, 200, 70_000]) },
  {
    name: 'EchoService.map',
    make: p => p.echo.map({ a: 1, b: -5_000_000_000 }),
    outcome: answer({ a: 1, b: -5_000_000_000 }),
  },
  ...records.map(([kind, value]) => ({
    name: `EchoService.record with a ${kind} variant`,
    make: (p: RustProxies) => p.echo.record(value),
    outcome: answer(value),
  })),
  { name: 'EchoService.tuple', make: p => p.echo.tuple([200, 't', true]), outcome: answer([200, 't', true]) },
  { name: 'EchoService.err_i32', make: p => p.echo.err_i32(), outcome: user(42) },
  { name: 'EchoService.err_errno', make: p => p.echo.err_errno(), outcome: user(1) },
  { name: 'EchoService.err_num 70000', make: p => p.echo.err_num(70_000), outcome: user(70_000) },
  { name: 'EchoService.err_string', make: p => p.echo.err_string('oops ✓'), outcome: user('oops ✓') },
  { name: 'EchoService.err_coded', make: p => p.echo.err_coded(U64_MAX), outcome: user({ NotFound: { id: U64_MAX } }) },
  { name: 'EchoService.err_coded, another variant', make: p => p.echo.err_coded(0), outcome: user('Other') },
  { name: 'EchoService.err_unit', make: p => p.echo.err_unit(), outcome: user(0) },
  {
    name: 'EchoService.err_redirect',
    make: p => p.echo.err_redirect('127.0.0.1:1'),
    outcome: user('redirect_127.0.0.1:1'),
  },
  {
    name: 'method not found',
    make: p => p.client.call({ action: 'EchoService.no_such' }),
    outcome: code('rpc_method_notfound'),
  },
  {
    name: 'service not found',
    make: p => p.client.call({ action: 'NoSuchService.unit', input: 1 }),
    outcome: code('rpc_service_notfound'),
  },
  { name: 'no dot in the action', make: p => p.client.call({ action: 'nodot' }), outcome: code('rpc_decode') },
  {
    name: 'argument of the wrong type',
    make: p => p.client.call({ action: 'CalculatorService.inc', input: 'x' }),
    outcome: code('rpc_decode'),
  },
  {
    name: 'BenchService.unary 5',
    make: p => p.bench.unary({ id: 5, path: '/tmp/file_5.txt' }),
    outcome: answer({ ok: true, id: 5 }),
  },
  { name: 'ping', make: p => p.client.ping(), outcome: answer(undefined) },
  { name: 'fs open', make: p => p.files.open({ path: '/tmp/a.txt', flags: 66 }), outcome: answer(undefined) },
  { name: 'fs open, empty path', make: p => p.files.open({ path: '', flags: 0 }), outcome: user(2) },
  {
    name: 'fs read 16',
    make: p => p.files.read({ inode: 9, offset: 5, len: 16 }),
    outcome: withBlob('daf91837567594b3d2f1102f4e6d8cab'),
  },
  { name: 'fs read 0', make: p => p.files.read({ inode: 9, offset: 5, len: 0 }), outcome: withBlob('') },
  {
    name: 'fs write 10',
    make: p => p.files.write({ inode: 7, offset: 5 }, { blob: fromHex('cceb0a29486786a5c4e3') }),
    outcome: answer({ ret_size: 10 }),
  },
  {
    name: 'fs write 0',
    make: p => p.files.write({ inode: 9, offset: 5 }, { blob: new Uint8Array(0) }),
    outcome: answer({ ret_size: 0 }),
  },
  {
    name: 'fs write, wrong content',
    make: p => p.files.write({ inode: 7, offset: 5 }, { blob: Uint8Array.of(1, 2, 3) }),
    outcome: user(5),
  },
]

/** How a call ended. */
export function outcomeOf(call$: Observable<unknown>): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    let value: unknown
    call$.subscribe({
      next: emitted => {
        value = emitted
      },
      complete: () => resolve({ answer: value }),
      error: error => {
        if (error instanceof UserError) resolve({ user: error.value })
        else if (RpcError.is(error) && error.code !== 'user') resolve({ code: error.code })
        else reject(error)
      },
    })
  })
}
