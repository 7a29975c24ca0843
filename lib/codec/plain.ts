/**
 * The walk over a value before it is encoded: refuses what has no plain form, saying where it stands, keeps the limits the
 * other end will keep, and hands back the very same value where nothing has to change (a copy of what has to, otherwise).
 *
 * Plain form: null, booleans, numbers, bigints, text, bytes and dates (what each codec makes of these is its own); arrays
 * and Sets as arrays; objects, class instances and Maps as maps. Of an object its own enumerable properties with string
 * keys count, getters included; `toJSON` is not asked, since it answers for JSON. A Map may have integers as keys.
 * A getter of an unchanged plain object is read a second time by the encoder.
 * Refused: functions, symbols, keys that the decoder refuses, lone surrogates, cycles, and every built-in class that is
 * more than its properties (Error, RegExp, Promise, typed arrays other than bytes; told by `Object.prototype.toString`).
 */
import type { DecodeLimits } from './codec.ts'
import { REFUSED_KEYS } from './map-keys.ts'
import { encodeError, Refusal, within } from './refusal.ts'
import { isWellFormed } from './utf8.ts'

/** Limits of a codec: those of decoding, which encoding keeps too, and one for the bytes it writes. */
export interface CodecLimits extends DecodeLimits {
  /** Text characters and bytes of one value to encode, before anything is allocated for them. Default 64 MiB. */
  readonly maxEncodeBytes: number
}

/** Default of {@link CodecLimits.maxEncodeBytes}. */
export const MAX_ENCODE_BYTES: number = 64 * 1024 * 1024

/** Of a walk that has not begun. */
const NO_LIMITS: CodecLimits = { maxDepth: 0, maxElements: 0, maxKeys: 0, maxEncodeBytes: 0 }

/** A walk over one value at a time. What becomes of a number, a bigint, bytes, a date and a Map is the codec's part. */
export abstract class PlainWalk {
  private limits: CodecLimits = NO_LIMITS
  private elements = 1
  private size = 0

  protected abstract number(value: number): unknown
  protected abstract bigint(value: bigint): unknown
  protected abstract bytes(value: Uint8Array): unknown
  protected abstract date(value: Date): unknown
  /** `copy` where an entry changed, or where `original` is more than a Map. */
  protected abstract map(original: ReadonlyMap<unknown, unknown>, copy: Map<unknown, unknown> | undefined): unknown

  /** What to encode in place of `value`. Throws an `RpcError` `rpc_encode` and nothing else. Not to be called from within. */
  run(value: unknown, limits: CodecLimits): unknown {
    this.limits = limits
    this.elements = 1
    this.size = 0
    try {
      return this.visit(value, 0)
    } catch (error) {
      throw encodeError(error)
    }
  }

  private visit(value: unknown, depth: number): unknown {
    switch (typeof value) {
      case 'string':
        this.text(value)
        return value
      case 'number':
        return this.number(value)
      case 'object':
        return value === null ? null : this.object(value, depth)
      case 'boolean':
        return value
      case 'undefined':
        return null
      case 'bigint':
        return this.bigint(value)
      default:
        throw new Refusal(`is a ${typeof value}`)
    }
  }

  private object(value: object, depth: number): unknown {
    const prototype = Object.getPrototypeOf(value)
    if (prototype === Object.prototype || prototype === null) {
      return this.record(value as Record<string, unknown>, this.deeper(value, depth), false)
    }
    if (Array.isArray(value)) return this.array(value, this.deeper(value, depth), prototype !== Array.prototype)
    if (value instanceof Uint8Array) return this.blob(value)
    if (value instanceof ArrayBuffer) return this.blob(new Uint8Array(value))
    if (value instanceof Map) return this.entries(value, this.deeper(value, depth))
    if (value instanceof Set) return this.array([...value], this.deeper(value, depth), true)
    if (value instanceof Date) {
      const time = value.getTime()
      if (Number.isNaN(time)) throw new Refusal('is an invalid Date')
      return this.date(prototype === Date.prototype ? value : new Date(time))
    }
    return this.instance(value as Record<string, unknown>, this.deeper(value, depth))
  }

  private array(value: unknown[], depth: number, copied: boolean): unknown[] {
    const length = value.length
    this.count(length)
    let copy: unknown[] | undefined = copied ? [] : undefined
    let i = 0
    try {
      for (; i < length; i++) {
        const item = value[i]
        const plain = this.visit(item, depth)
        if (copy === undefined) {
          if (Object.is(plain, item)) continue
          copy = Array.prototype.slice.call(value, 0, i)
        }
        copy[i] = plain
      }
    } catch (error) {
      throw within(error, value, i)
    }
    return copy ?? value
  }

  private record(value: Record<string, unknown>, depth: number, copied: boolean): Record<string, unknown> {
    let copy: Record<string, unknown> | undefined = copied ? {} : undefined
    const keys = Object.keys(value)
    this.keys(keys.length)
    let key = ''
    try {
      for (let i = 0; i < keys.length; i++) {
        key = keys[i]!
        this.key(key)
        const item = value[key]
        const plain = this.visit(item, depth)
        if (copy === undefined) {
          if (Object.is(plain, item)) continue
          copy = {}
          for (let j = 0; j < i; j++) copy[keys[j]!] = value[keys[j]!]
        }
        copy[key] = plain
      }
    } catch (error) {
      throw within(error, value, key)
    }
    return copy ?? value
  }

  private instance(value: Record<string, unknown>, depth: number): Record<string, unknown> {
    const tag = Object.prototype.toString.call(value).slice(8, -1)
    if (tag !== 'Object') throw new Refusal(`is of the class ${tag}, which has no plain form`)
    for (const method of ['subscribe', 'then']) {
      if (typeof value[method] === 'function')
        throw new Refusal(`has a method ${method}: its result is a value, it is not`)
    }
    return this.record(value, depth, true)
  }

  private entries(value: ReadonlyMap<unknown, unknown>, depth: number): unknown {
    const plain = new Map<unknown, unknown>()
    const names = new Set<string>()
    let changed = Object.getPrototypeOf(value) !== Map.prototype
    this.keys(value.size)
    let name = ''
    try {
      for (const [key, item] of value) {
        name = String(typeof key === 'symbol' ? 'symbol' : key)
        const plainKey = this.mapKey(key)
        if (names.has(name)) throw new Refusal('is a key twice, as text and as an integer')
        names.add(name)
        const plainItem = this.visit(item, depth)
        changed ||= !(Object.is(plainKey, key) && Object.is(plainItem, item))
        plain.set(plainKey, plainItem)
      }
    } catch (error) {
      throw within(error, value, name)
    }
    return this.map(value, changed ? plain : undefined)
  }

  private mapKey(key: unknown): unknown {
    if (typeof key === 'string') this.key(key)
    else if (typeof key === 'bigint') return this.bigint(key)
    else if (typeof key === 'number' && Number.isSafeInteger(key)) return this.number(key)
    else throw new Refusal('is a key that is neither text nor an integer')
    return key
  }

  private key(key: string): void {
    if ((key.length === 9 || key.length === 11) && REFUSED_KEYS.has(key))
      throw new Refusal('is a key that no decoder takes')
    this.text(key)
  }

  private text(value: string): void {
    this.size += value.length
    if (this.size > this.limits.maxEncodeBytes) throw this.large()
    if (!isWellFormed(value)) throw new Refusal('has a lone surrogate, which UTF-8 cannot write')
  }

  private blob(value: Uint8Array): unknown {
    this.size += value.length
    if (this.size > this.limits.maxEncodeBytes) throw this.large()
    return this.bytes(value)
  }

  private large(): Refusal {
    return new Refusal(`makes it at least ${this.size} bytes, over maxEncodeBytes ${this.limits.maxEncodeBytes}`)
  }

  private deeper(value: object, depth: number): number {
    if (depth < this.limits.maxDepth) return depth + 1
    throw new Refusal(`is deeper than maxDepth ${this.limits.maxDepth}`, undefined, value)
  }

  private keys(count: number): void {
    if (count > this.limits.maxKeys) throw new Refusal(`has ${count} keys, over maxKeys ${this.limits.maxKeys}`)
    this.count(2 * count)
  }

  private count(values: number): void {
    this.elements += values
    if (this.elements <= this.limits.maxElements) return
    throw new Refusal(`makes it ${this.elements} values or more, over maxElements ${this.limits.maxElements}`)
  }
}
