/**
 * How a value becomes the message of a frame and back. A codec is stateless: two messages never share anything.
 */

/** Limits that hold before anything is allocated for what they bound. */
export interface DecodeLimits {
  /** Arrays and maps inside one another, the outermost being 1. Default 64. */
  readonly maxDepth: number
  /** Values of a message: every scalar, array, map, key and element counts one. Default 100,000. */
  readonly maxElements: number
  /** Entries of one map. Default 10,000. */
  readonly maxKeys: number
}

/** What holds where a codec is not told otherwise. */
export const DECODE_LIMITS: DecodeLimits = { maxDepth: 64, maxElements: 100_000, maxKeys: 10_000 }

/**
 * Duties: `encode` and `encodeInto` throw an `RpcError` with code `rpc_encode` for a value that cannot be written, and
 * nothing else; `decode` and `decodeAt` throw one with `rpc_decode` for bytes that are not one whole value within the limits, and nothing
 * else. `undefined` is written as unit, and unit reads back as `null`. Rust: the `Codec` trait.
 */
export interface Codec {
  /** The codec's name in messages and logs, such as `msgpack`. */
  readonly name: string

  /** Encodes into bytes that belong to the caller. */
  encode(value: unknown): Uint8Array

  /**
   * Encodes into `target` from `offset` on and returns how many bytes it wrote; where they do not fit it returns the
   * encoded bytes instead, which belong to the caller, and may have scribbled behind `offset`.
   */
  encodeInto(value: unknown, target: Uint8Array, offset: number): number | Uint8Array

  /** Decodes one value. The bytes may be a view that is reused afterwards: what the value keeps of them is a copy. */
  decode(bytes: Uint8Array): unknown

  /** The same for the value from `start` to `end`. Optional, and worth it: it spares a view of each message that came. */
  decodeAt?(bytes: Uint8Array, start: number, end: number): unknown
}
