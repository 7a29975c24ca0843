/**
 * How an error of encoding finds out where it happened: thrown where the value stands, it gathers the keys on its way out.
 */
import { RpcError } from '../error.ts'

/** Why a value cannot be written, on its way out of the walk; each level puts its key in front of the path. */
export class Refusal {
  reason: string
  readonly cause: unknown
  readonly path: (string | number)[] = []
  /** Where a value was too deep: it and those around it so far. One that comes twice on the way out contains itself. */
  readonly around: Set<object> | undefined

  constructor(reason: string, cause?: unknown, tooDeep?: object) {
    this.reason = reason
    this.cause = cause
    this.around = tooDeep === undefined ? undefined : new Set([tooDeep])
  }
}

/** The refusal as the container around it sees it. Anything else thrown there came from a getter or a proxy. */
export function within(error: unknown, container: object, key: string | number): Refusal {
  const refusal = error instanceof Refusal ? error : new Refusal('cannot be read', error)
  refusal.path.unshift(key)
  if (refusal.around?.has(container)) {
    refusal.path.length = 0
    refusal.reason = 'contains itself'
  }
  refusal.around?.add(container)
  return refusal
}

/** Whatever went wrong in encoding, as an `rpc_encode`: `value.items[3].fn is a function`. */
export function encodeError(error: unknown): RpcError {
  const refusal = error instanceof Refusal ? error : new Refusal('cannot be encoded', error)
  const path = refusal.path.map(part => {
    if (typeof part === 'number') return `[${part}]`
    return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(part) ? `.${part}` : `[${JSON.stringify(part.slice(0, 64))}]`
  })
  const shown = path.length > 16 ? [...path.slice(0, 8), '…', ...path.slice(-4)] : path
  const because = refusal.cause instanceof Error ? `: ${refusal.cause.message}` : ''
  const info = refusal.cause === undefined ? {} : { cause: refusal.cause }
  return new RpcError('rpc_encode', `value${shown.join('')} ${refusal.reason}${because}`, info)
}
