/**
 * The default codec: MessagePack with named fields, as the Rust side's `rmp_serde` writes it. The only file with msgpackr.
 *
 * What serde calls a struct is an object; a tuple, and a `Vec`, an array; `()` and `None`, null; bytes, a `Uint8Array`; a
 * map, an object, or a Map where its keys are integers (read back as an object with their decimal texts). An enum's variants:
 *
 *     Empty                  'Empty'
 *     Circle(1.5)            { Circle: 1.5 }
 *     Rect(1, 2)             { Rect: [1, 2] }
 *     Named { sides: 3 }     { Named: { sides: 3 } }
 *
 * Numbers keep their value and lose their width. Written, a number that is a safe integer, and a bigint, take the smallest
 * integer form (unsigned where positive), every other number, -0 among them, a float64. Read, an integer is a number where
 * that is exact, else a bigint: type such a field `number | bigint`. A Date is a timestamp of milliseconds; what a peer
 * sends finer is cut. A Set is written as an array, and `undefined` as nil, also in an object.
 */
import { isNativeAccelerationEnabled, Packr, RESET_BUFFER_MODE, REUSE_BUFFER_MODE } from 'msgpackr'
import { RpcError } from '../error.ts'
import { check, FOUND_BINARY, FOUND_MARK, FOUND_WIDE } from './check.ts'
import { type Codec, DECODE_LIMITS } from './codec.ts'
import { type CodecLimits, MAX_ENCODE_BYTES, PlainWalk } from './plain.ts'
import { encodeError, Refusal } from './refusal.ts'
import { doubleMarks, MINUS_ZERO, readIntegers, writeIntegers } from './repair.ts'

const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  encodeUndefinedAsNil: true,
  useToJSON: false,
  copyBuffers: true,
})

/** msgpackr hands out its own buffer, and takes the place back at once: the bytes are copied out before anything else runs. */
const IN_PLACE = REUSE_BUFFER_MODE | RESET_BUFFER_MODE

/** What msgpackr returns then: the buffer that all its users in the process share, and where the message lies in it. */
type Packed = Uint8Array & { start: number; end: number }

/** A buffer that grew beyond this is given up after use; msgpackr itself would keep it for good. */
const KEPT_BYTES = 256 * 1024
const FRESH_BYTES = 8192

const MIN_INT64 = -(2n ** 63n)
const MAX_UINT64 = 2n ** 64n - 1n

class MsgpackWalk extends PlainWalk {
  /** Is there a number that msgpackr writes in another form than promised? */
  repair = false

  override run(value: unknown, limits: CodecLimits): unknown {
    this.repair = false
    return super.run(value, limits)
  }

  protected number(value: number): unknown {
    if ((value | 0) === value || value >>> 0 === value) {
      if (value !== 0 || !Object.is(value, -0)) return value
      this.repair = true
      return MINUS_ZERO
    }
    if (Number.isSafeInteger(value)) this.repair = true
    return value
  }

  protected bigint(value: bigint): unknown {
    if (value < MIN_INT64 || value > MAX_UINT64) throw new Refusal('is a bigint outside of -(2^63) to 2^64 - 1')
    const number = Number(value)
    if (Number.isSafeInteger(number)) return this.number(number)
    this.repair = true
    return value
  }

  protected bytes(value: Uint8Array): unknown {
    return value
  }

  protected date(value: Date): unknown {
    return value
  }

  protected map(original: ReadonlyMap<unknown, unknown>, copy: Map<unknown, unknown> | undefined): unknown {
    return copy ?? original
  }
}

/**
 * A MessagePack codec. `options` are limits; what is left out is as in `DECODE_LIMITS` and `MAX_ENCODE_BYTES`. Rust:
 * `MsgpCodec`.
 */
export function msgpack(options: Partial<CodecLimits> = {}): Codec {
  const limits: CodecLimits = { ...DECODE_LIMITS, maxEncodeBytes: MAX_ENCODE_BYTES, ...options }
  return {
    name: 'msgpack',

    encode(value: unknown): Uint8Array {
      const packed = pack(value, limits)
      return copyOut(packed)
    },

    encodeInto(value: unknown, target: Uint8Array, offset: number): number | Uint8Array {
      const packed = pack(value, limits)
      const length = packed.end - packed.start
      if (length > target.length - offset) return copyOut(packed)
      copy(packed, packed.start, packed.end, target, offset)
      return length
    },

    decode: bytes => decodeAt(bytes, 0, bytes.length, limits),
    decodeAt: (bytes, start, end) => decodeAt(bytes, start, end, limits),
  }
}

/** The codec with all limits at their defaults. */
export const MSGPACK: Codec = msgpack()

/** The walk that was last, for the next one: over a small message, making one costs as much as walking. */
let spareWalk: MsgpackWalk | undefined

function pack(value: unknown, limits: CodecLimits): Packed {
  const walk = spareWalk ?? new MsgpackWalk()
  spareWalk = undefined // a getter may encode, too
  const plain = walk.run(value, limits)
  const { repair } = walk
  spareWalk = walk
  try {
    const packed = packr.pack(plain, IN_PLACE) as unknown as Packed
    if (repair) writeIntegers(packed, packed.start, packed.end)
    if (packed.length > KEPT_BYTES) giveUp(packed)
    return packed
  } catch (error) {
    giveUp(packr.pack(null, IN_PLACE) as unknown as Packed)
    throw encodeError(error)
  }
}

/** Lets go of a large buffer: msgpackr gets a small one, of the same kind (on Node it needs a `Buffer`), that nobody else holds. */
function giveUp(packed: Packed): void {
  // Anywhere else it stands in the middle of someone's packing, whose extension or getter called us: leave that alone.
  if (packed.length <= KEPT_BYTES || packr.position !== packed.start) return
  packr.useBuffer(Uint8Array.prototype.slice.call(packed, 0, FRESH_BYTES))
}

function copyOut(packed: Packed): Uint8Array {
  const bytes = new Uint8Array(packed.end - packed.start)
  copy(packed, packed.start, packed.end, bytes, 0)
  return bytes
}

function copy(bytes: Uint8Array, start: number, end: number, target: Uint8Array, offset: number): void {
  // A loop beats `set` on small messages, which are most, since it needs no view.
  if (end - start <= 64) for (let at = start; at < end; at++) target[offset++] = bytes[at]!
  else target.set(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start), offset)
}

/**
 * Small messages are copied here first: it costs less than the DataView that msgpackr makes for each array it sees, and
 * leaves the copy free to be repaired. Nothing that was decoded points into it.
 */
const scratch = new Uint8Array(4096)
const scratchView = new DataView(scratch.buffer)

function decodeAt(bytes: Uint8Array, start: number, end: number, limits: CodecLimits): unknown {
  const found = check(bytes, limits, start, end)
  try {
    return unpack(bytes, start, end, found)
  } catch (error) {
    // Not seen: checked bytes decode. But the process may have changed msgpackr, by `addExtension` for instance.
    throw new RpcError('rpc_decode', `MessagePack decoder failed on ${end - start} checked bytes`, { cause: error })
  }
}

/** Unpacks checked bytes, `found` being what the check found in them. Never changes the caller's bytes. */
function unpack(bytes: Uint8Array, start: number, end: number, found: number): unknown {
  const length = end - start
  if ((found & FOUND_MARK) === 0 || isNativeAccelerationEnabled) {
    if (length <= scratch.length) {
      copy(bytes, start, end, scratch, 0)
      if ((found & FOUND_WIDE) !== 0) readIntegers(scratch, scratchView, length)
      return packr.unpack(scratch, length)
    }
  }
  const value = length === bytes.length ? bytes : bytes.subarray(start, end)
  return unpackLarge((found & FOUND_MARK) === 0 || isNativeAccelerationEnabled ? value : doubleMarks(value), found)
}

function unpackLarge(bytes: Uint8Array, found: number): unknown {
  if ((found & FOUND_WIDE) !== 0) {
    bytes = new Uint8Array(bytes)
    readIntegers(bytes, new DataView(bytes.buffer), bytes.length)
  }
  // Binary inside a plain array is copied into plain arrays; inside a Buffer it would become Buffers.
  if ((found & FOUND_BINARY) !== 0 && bytes.constructor !== Uint8Array) {
    bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  }
  return packr.unpack(bytes)
}
