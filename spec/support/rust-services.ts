/**
 * The services of the Rust peer (`interop/peer/src/api.rs`, `fs.rs`) as contracts, and handlers that answer as its server
 * does. The schemas refuse what serde refuses there.
 */
import { map, timer } from 'rxjs'
import * as v from 'valibot'
import {
  CallRefused,
  type Client,
  type Contract,
  implement,
  RPC_CODES,
  type RpcCode,
  type RpcServerOptions,
  type ServiceClient,
  service,
  type,
  type U64,
  unary,
} from '../../lib/index.ts'
import { patternBytes } from './rust-peer.ts'

/** An integer of a Rust type, which may come as a `number` or as a `bigint`. */
function integer<T extends U64 = number>(min: bigint, max: bigint): v.CustomSchema<T, undefined> {
  const whole = (value: unknown): value is U64 => typeof value === 'bigint' || Number.isInteger(value)
  return v.custom<T>(value => whole(value) && value >= min && value <= max)
}

const u8 = integer(0n, 0xffn)
const u16 = integer(0n, 0xffffn)
const u32 = integer(0n, 0xffff_ffffn)
const u64 = integer<U64>(0n, 0xffff_ffff_ffff_ffffn)
const i8 = integer(-0x80n, 0x7fn)
const i16 = integer(-0x8000n, 0x7fffn)
const i32 = integer(-0x8000_0000n, 0x7fff_ffffn)
const i64 = integer<U64>(-0x8000_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn)
const unit = v.custom<void>(value => value === null || value === undefined)
const bytes = v.custom<Uint8Array>(value => value instanceof Uint8Array)
const pair = v.tuple([i32, i32])
/** NaN too, which the schema library does not take for a number. */
const float = v.custom<U64>(value => typeof value === 'number' || typeof value === 'bigint')

const shape = v.union([
  v.literal('Empty'),
  v.object({ Circle: float }),
  v.object({ Rect: v.tuple([u32, u32]) }),
  v.object({ Named: v.object({ title: v.string(), sides: u32 }) }),
])

const record = v.object({
  id: u64,
  name: v.string(),
  inner: v.object({ label: v.string(), weight: i64 }),
  note: v.nullish(v.string(), null),
  shape,
  tags: v.array(v.string()),
})

/** A struct with one variant of each kind of enum. */
export type RustRecord = v.InferInput<typeof record>

/** The coded error of `err_coded`. */
export type CodedErr = 'Other' | { readonly NotFound: { readonly id: U64 } }

const ENOENT = 2
const EINVAL = 22
const EIO = 5
const EPERM = 1

/** The number of `err_i32`. */
const ANSWER = 42

export const Calculator = service('CalculatorService', {
  inc: unary({ input: i32, output: type<number>() }),
  add: unary({ input: pair, output: type<number>() }),
  div: unary({ input: pair, output: type<number>() }),
  repeat: unary({ input: v.tuple([v.string(), u32]), output: type<string>() }),
  sleep_ms: unary({ input: u64, output: type<U64>() }),
  io_error: unary({ input: unit, errors: 'errno' }),
})

export const Echo = service('EchoService', {
  u8: unary({ input: u8, output: type<number>() }),
  u16: unary({ input: u16, output: type<number>() }),
  u32: unary({ input: u32, output: type<number>() }),
  u64: unary({ input: u64, output: type<U64>() }),
  i8: unary({ input: i8, output: type<number>() }),
  i16: unary({ input: i16, output: type<number>() }),
  i32: unary({ input: i32, output: type<number>() }),
  i64: unary({ input: i64, output: type<U64>() }),
  unit: unary({ input: unit }),
  boolean: unary({ input: v.boolean(), output: type<boolean>() }),
  f32: unary({ input: float, output: type<number>() }),
  f64: unary({ input: float, output: type<number>() }),
  string: unary({ input: v.string(), output: type<string>() }),
  bytes: unary({ input: bytes, output: type<Uint8Array>() }),
  opt: unary({ input: v.nullish(u32, null), output: type<number | null>() }),
  vec: unary({ input: v.array(u32), output: type<readonly number[]>() }),
  map: unary({ input: v.record(v.string(), i64), output: type<Readonly<Record<string, U64>>>() }),
  record: unary({ input: record, output: type<RustRecord>() }),
  tuple: unary({
    input: v.strictTuple([u32, v.string(), v.boolean()]),
    output: type<readonly [number, string, boolean]>(),
  }),
  err_i32: unary({ input: unit, errors: 'errno' }),
  err_errno: unary({ input: unit, errors: 'errno' }),
  err_num: unary({ input: u32, errors: 'errno' }),
  err_string: unary({ input: v.string() }),
  err_coded: unary({ input: u64, errors: 'coded', error: type<CodedErr>() }),
  err_unit: unary({ input: unit, errors: 'errno' }),
  err_redirect: unary({ input: v.string() }),
  err_internal: unary({ input: v.string() }),
  err_encode: unary({ input: unit, output: type<unknown>() }),
})

export const Bench = service('BenchService', {
  unary: unary({ input: v.object({ id: u64, path: v.string() }), output: type<{ ok: boolean; id: U64 }>() }),
})

/** Numeric actions, so the name is on no wire. */
export const Files = service('Files', {
  open: unary({ action: 1, input: v.object({ path: v.string(), flags: u32 }), errors: 'errno' }),
  read: unary({
    action: 2,
    input: v.object({ inode: u64, offset: u64, len: u64 }),
    errors: 'errno',
    blob: 'response',
  }),
  write: unary({
    action: 3,
    input: v.object({ inode: u64, offset: u64 }),
    output: type<{ ret_size: U64 }>(),
    errors: 'errno',
    blob: 'request',
  }),
})

/** Largest text or blob that is made on request, as in the peer. */
const MAX_LEN = 64 * 1024 * 1024

const NOTHING = new Uint8Array(0)

/** The codes that travel, each of which the peer's `err_internal` can be told to fail with. */
export const WIRE_CODES: readonly RpcCode[] = RPC_CODES.slice(0, 9)

/** What the server of the peer serves, for `new RpcServer({ ...rustServices })`. */
export const rustServices: Required<Pick<RpcServerOptions, 'services'>> = {
  services: [
    implement(Calculator, {
      inc: arg => (arg + 1) | 0,
      add: ([a, b]) => (a + b) | 0,
      div: ([a, b], { fail }) => {
        if (b === 0) throw fail('divide by zero')
        return Math.trunc(a / b) | 0
      },
      repeat: ([text, times], { fail }) => {
        const bytes = new TextEncoder().encode(text).length * times
        if (bytes > MAX_LEN) throw fail(`text of ${bytes} bytes is over ${MAX_LEN}`)
        return text.repeat(times)
      },
      sleep_ms: ms => timer(Number(ms)).pipe(map(() => ms)),
      io_error: (_, { fail }) => {
        throw fail(EIO)
      },
    }),
    implement(Echo, {
      u8: arg => arg,
      u16: arg => arg,
      u32: arg => arg,
      u64: arg => arg,
      i8: arg => arg,
      i16: arg => arg,
      i32: arg => arg,
      i64: arg => arg,
      unit: arg => arg,
      boolean: arg => arg,
      f32: arg => Math.fround(Number(arg)),
      f64: arg => Number(arg),
      string: arg => arg,
      bytes: arg => arg,
      opt: arg => arg,
      vec: arg => arg,
      map: arg => arg,
      record: arg => arg,
      tuple: arg => arg,
      err_i32: (_, { fail }) => {
        throw fail(ANSWER)
      },
      err_errno: (_, { fail }) => {
        throw fail(EPERM)
      },
      err_num: (arg, { fail }) => {
        throw fail(arg)
      },
      err_string: (arg, { fail }) => {
        throw fail(arg)
      },
      err_coded: (arg, { fail }) => {
        throw fail(Number(arg) === 0 ? 'Other' : { NotFound: { id: arg } })
      },
      err_unit: (_, { fail }) => {
        throw fail(0)
      },
      err_redirect: (arg, { fail }) => {
        throw fail(`redirect_${arg}`)
      },
      err_internal: arg => {
        const code = WIRE_CODES.find(known => known === arg) ?? 'rpc_internal_err'
        throw new CallRefused(code, 'asked for')
      },
      err_encode: () => () => 'a function has no form on the wire',
    }),
    implement(Bench, { unary: ({ id }) => ({ ok: true, id }) }),
    implement(Files, {
      open: ({ path }, { fail }) => {
        if (path === '') throw fail(ENOENT)
      },
      read: ({ inode, offset, len }, { fail }) => {
        if (len > MAX_LEN) throw fail(EINVAL)
        const blob = len > 0 ? patternBytes(Number(inode), Number(offset), Number(len)) : NOTHING
        return { value: undefined, blob }
      },
      write: ({ inode, offset }, { blob, fail }) => {
        const right = patternBytes(Number(inode), Number(offset), blob.length)
        if (Buffer.compare(right, blob) !== 0) throw fail(EIO)
        return { ret_size: blob.length }
      },
    }),
  ],
}

type ClientOf<C> = C extends Contract<infer M> ? ServiceClient<M> : never

/** Proxies of all four contracts. */
export interface RustProxies {
  readonly calculator: ClientOf<typeof Calculator>
  readonly echo: ClientOf<typeof Echo>
  readonly bench: ClientOf<typeof Bench>
  readonly files: ClientOf<typeof Files>
  /** For calls that no contract has. */
  readonly client: Client
}

/** The proxies over a client; the peer's server has the file actions at an address of their own. */
export function rustProxies(client: Client, files: Client = client): RustProxies {
  return {
    calculator: client.use(Calculator),
    echo: client.use(Echo),
    bench: client.use(Bench),
    files: files.use(Files),
    client,
  }
}
