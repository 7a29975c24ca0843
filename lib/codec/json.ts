/**
 * A codec of JSON text: for peers without MessagePack, and for reading a wire by eye. As strict as the default one: what
 * would read back as something else is refused, not bent. So bytes, dates, NaN, the infinities and bigints beyond the safe
 * integers are `rpc_encode`; text with integers beyond them, duplicate keys or a byte order mark is `rpc_decode`.
 * `undefined` is null, and -0, the one exception, 0.
 */
import { type Codec, DECODE_LIMITS } from './codec.ts'
import { checkJson, checkParsed, refused } from './json-check.ts'
import { type CodecLimits, MAX_ENCODE_BYTES, PlainWalk } from './plain.ts'
import { encodeError, Refusal } from './refusal.ts'

class JsonWalk extends PlainWalk {
  protected number(value: number): unknown {
    if (Number.isFinite(value)) return value
    throw new Refusal(`is ${value}, which JSON cannot write`)
  }

  protected bigint(value: bigint): unknown {
    const number = Number(value)
    if (Number.isSafeInteger(number)) return number
    throw new Refusal('is a bigint beyond the safe integers, which JSON would round')
  }

  protected bytes(): unknown {
    throw new Refusal('is bytes, which JSON cannot write: send them as base64 text or as a blob')
  }

  protected date(): unknown {
    throw new Refusal('is a Date, which JSON cannot write: send its time or its ISO text')
  }

  protected map(original: ReadonlyMap<unknown, unknown>, copy: Map<unknown, unknown> | undefined): unknown {
    return Object.fromEntries(copy ?? original)
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A JSON codec. `options` are limits; what is left out is as in `DECODE_LIMITS` and `MAX_ENCODE_BYTES`. */
export function json(options: Partial<CodecLimits> = {}): Codec {
  const limits: CodecLimits = { ...DECODE_LIMITS, maxEncodeBytes: MAX_ENCODE_BYTES, ...options }
  return {
    name: 'json',

    encode(value: unknown): Uint8Array {
      return encoder.encode(stringify(value, limits))
    },

    encodeInto(value: unknown, target: Uint8Array, offset: number): number | Uint8Array {
      const text = stringify(value, limits)
      const { read, written } = encoder.encodeInto(text, target.subarray(offset))
      return read === text.length ? written : encoder.encode(text)
    },

    decode(bytes: Uint8Array): unknown {
      const members = checkJson(bytes, limits)
      let value: unknown
      try {
        value = JSON.parse(decoder.decode(bytes))
      } catch (error) {
        throw refused(`${bytes.length} bytes are not a JSON text in UTF-8`, error)
      }
      if (checkParsed(value) !== members) throw refused('a key stands twice in an object')
      return value
    },
  }
}

function stringify(value: unknown, limits: CodecLimits): string {
  const plain = new JsonWalk().run(value, limits)
  try {
    return JSON.stringify(plain)
  } catch (error) {
    throw encodeError(error)
  }
}
