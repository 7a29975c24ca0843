/**
 * What the Rust client prints, and how specs compare it: numbers come as all their digits, long bytes as a checksum.
 */
import assert from 'node:assert/strict'
import { toHex } from './hex.ts'
import { checksum, type RustAnswer, type RustClient } from './rust-peer.ts'

/** Makes a typed call. */
export function call(rust: RustClient, name: string, args: unknown = null): Promise<RustAnswer> {
  return rust.command({ call: name, args })
}

/** The answer; fails where it is an error. */
export function ok(answer: RustAnswer): unknown {
  assert.ok('ok' in answer, JSON.stringify(answer))
  return answer.ok
}

/** Kind and text of the error; fails where it is none. */
export function err(answer: RustAnswer): [kind: string, text: string] {
  assert.ok('err' in answer, JSON.stringify(answer))
  return [answer.err.kind, answer.err.text]
}

/** A float as Rust reads it. */
export function rustFloat(value: number): string {
  if (Object.is(value, -0)) return '-0'
  return String(value).replace('Infinity', 'inf')
}

/** A float as Rust prints it. */
export function readFloat(text: unknown): number {
  return Number(String(text).replace('inf', 'Infinity'))
}

/** Bytes as Rust prints them. */
export function shownBytes(bytes: Uint8Array): unknown {
  return bytes.length > 1024 ? { len: String(bytes.length), sum: checksum(bytes) } : toHex(bytes)
}

/** `value` with each number in it as a string of its digits. */
export function withDigits(value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return value.map(withDigits)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withDigits(entry)]))
}
