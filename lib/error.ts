/**
 * What a call can fail with: one class, a closed set of codes, and one kind of it for the errors that user code raises.
 */

/** The library's codes. Each travels as the text of an error frame; see PROTOCOL.md, "Errors". */
export const RPC_CODES = [
  'rpc_unreachable',
  'rpc_io_err',
  'rpc_timeout',
  'rpc_method_notfound',
  'rpc_service_notfound',
  'rpc_encode',
  'rpc_decode',
  'rpc_internal_err',
  'rpc_invalid_ver',
  'rpc_protocol',
  'rpc_canceled',
  'rpc_busy',
  'rpc_draining',
  'rpc_too_large',
  'rpc_unauthenticated',
  'rpc_forbidden',
  'rpc_flow',
  'rpc_overflow',
  'rpc_unsupported',
  'rpc_resume_lost',
] as const

/** A code of the library. The first nine are the internal errors of the Rust crate (`RpcIntErr`). */
export type RpcCode = (typeof RPC_CODES)[number]

/** Whatever stands in {@link RpcError.code}: a code of the library, or `user` for an error the handler chose. */
export type ErrorCode = RpcCode | 'user'

/**
 * Did the handler run? `no`: provably not, so the call may be sent again. `maybe`: it may have. `yes`: it answered, or
 * at least began to.
 */
export type Executed = 'no' | 'maybe' | 'yes'

/** What an {@link RpcError} may carry besides its code and message. */
export interface RpcErrorInfo {
  /** Default `maybe`. */
  readonly executed?: Executed | undefined
  /** The action called, as a name or a number. Absent for an error of the connection. */
  readonly action?: string | number | undefined
  /** The far end, as a URL. Absent where no connection was involved. */
  readonly address?: string | undefined
  /** What caused it, as in `Error`. */
  readonly cause?: unknown
}

const CODES: ReadonlySet<string> = new Set<ErrorCode>([...RPC_CODES, 'user'])

/**
 * Every error that this library raises. Rust: `RpcError<E>`, whose `Rpc(RpcIntErr)` is a `code` here and whose `User(E)`
 * is {@link UserError}.
 */
export class RpcError extends Error {
  /** Marks an error of this library, whichever copy of the package made it. */
  readonly '~rpcError' = true as const
  readonly code: ErrorCode
  readonly executed: Executed
  readonly action: string | number | undefined
  readonly address: string | undefined

  constructor(code: ErrorCode, message: string, info: RpcErrorInfo = {}) {
    super(message, info.cause === undefined ? undefined : { cause: info.cause })
    this.name = 'RpcError'
    this.code = code
    this.executed = info.executed ?? 'maybe'
    this.action = info.action
    this.address = info.address
  }

  /**
   * Is `error` an RpcError, and, where codes are given, one with one of them? Works across two copies of the package.
   */
  static is<C extends ErrorCode = ErrorCode>(error: unknown, ...codes: C[]): error is RpcError & { readonly code: C } {
    if (!(error instanceof Error) || (error as Partial<RpcError>)['~rpcError'] !== true) return false
    return codes.length === 0 || (codes as string[]).includes((error as RpcError).code)
  }

  /** `error` itself where it is an RpcError, else an `rpc_internal_err` that carries it as its cause. */
  static from(error: unknown, info: RpcErrorInfo = {}): RpcError {
    if (RpcError.is(error)) return error
    const text = error instanceof Error ? error.message : typeof error === 'string' ? error : 'unknown error'
    return new RpcError('rpc_internal_err', text, { ...info, cause: error })
  }
}

/**
 * An error that the handler chose to answer with. `value` is a number for an errno, a string for text, and whatever the
 * contract's error type says for a coded one. Rust: `RpcError::User(E)`.
 */
export class UserError<E = unknown> extends RpcError {
  readonly value: E

  constructor(value: E, message: string, info: RpcErrorInfo = {}) {
    super('user', message, { executed: 'yes', ...info })
    this.name = 'UserError'
    this.value = value
  }
}

/** How many of {@link RPC_CODES} a peer of version 1 knows; it reads the others as text of a handler. */
const V1_CODES = 9

/** Is `text` a code that travels in version 1? */
export function isV1Code(text: string): text is RpcCode {
  const at = (RPC_CODES as readonly string[]).indexOf(text)
  return at >= 0 && at < V1_CODES
}

/** Is `text` one of the library's codes? */
export function isRpcCode(text: string): text is RpcCode {
  return text !== 'user' && CODES.has(text)
}
