/**
 * The contracts that the type specs speak of: one method for each way to write one.
 */
import * as v from 'valibot'
import { z } from 'zod'
import { type Client, type Errno, service, type, type U64, unary } from '../../lib/index.ts'

export interface Load {
  readonly one: number
  readonly five: number
}

export type FsError = { readonly code: 'denied'; readonly path: string } | { readonly code: 'full' }

export const Host = service('Host', {
  load: unary<void, Load>({ idempotent: true }),
  reset: unary(),
  div: unary<[number, number], number>(),
  add: unary<[number, number], number, 'overflow' | 'range'>(),
  kill: unary<{ pid: number }, void, Errno>({ errors: 'errno' }),
  open: unary<{ path: string }, number, FsError>({ errors: 'coded' }),
  maybe: unary<{ name: string | undefined } | undefined, string | null>(),
  write: unary<{ inode: U64; offset: U64 }, number>({ action: 3, blob: 'request' }),
  read: unary<{ inode: U64 }, U64, Errno>({ action: 2, errors: 'errno', blob: 'response' }),
  swap: unary<void, void>({ blob: 'both' }),
})

const isoToDate = z.codec(z.iso.datetime(), z.date(), {
  decode: text => new Date(text),
  encode: date => date.toISOString(),
})

export const Clock = service('Clock', {
  at: unary({ input: z.object({ date: isoToDate }), output: z.date().transform(Number) }),
  length: unary({ input: v.pipe(v.string(), v.transform(Number)), output: v.pipe(v.number(), v.transform(String)) }),
  plain: unary({ input: type<{ a: U64 }>(), output: type<number>() }),
  nothing: unary({ action: 7 }),
  only: unary({ output: z.string() }),
  fails: unary({ output: type<number>(), errors: 'coded', error: type<FsError>() }),
  texts: unary({ output: type<number>(), error: type<'late' | 'early'>() }),
  numbered: unary({ input: type<void>(), errors: 'errno' }),
  sends: unary({ input: type<string>(), blob: 'request' }),
  gives: unary({ input: type<string>(), output: type<number>(), blob: 'response', idempotent: true }),
  both: unary({ output: type<number>(), blob: 'both' }),
})

export declare const client: Client
export const host = client.use(Host)
export const clock = client.use(Clock)
