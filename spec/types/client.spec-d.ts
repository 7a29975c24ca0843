/**
 * What a proxy offers: one function a method, its argument first and its options last.
 */
import type { Observable } from 'rxjs'
import {
  type BlobCallOptions,
  type Call,
  type CallOptions,
  type Client,
  type ConnectOptions,
  connect,
  type Reply,
  type U64,
  type WithBlob,
} from '../../lib/index.ts'
import { client, clock, type FsError, type Host, host, type Load } from './contracts.ts'
import { exactly } from './exactly.ts'

// Each method takes what its contract says and gives a call that knows its answer and its error.
exactly<Call<Load, string>>()(host.load())
exactly<Call<void, string>>()(host.reset())
exactly<Call<number, string>>()(host.div([1, 2]))
exactly<Call<number, 'overflow' | 'range'>>()(host.add([1, 2]))
exactly<Call<void, number>>()(host.kill({ pid: 1 }))
exactly<Call<number, FsError>>()(host.open({ path: '/' }))
exactly<Call<string | null, string>>()(host.maybe(undefined))
exactly<Call<number, string>>()(clock.at({ date: '2026-01-01T00:00:00Z' }))
exactly<Call<string, string>>()(clock.length('3'))
exactly<Call<number, FsError>>()(clock.fails())
exactly<Call<number, 'late' | 'early'>>()(clock.texts())
exactly<Call<void, number>>()(clock.numbered())
exactly<Call<void, string>>()(clock.nothing())

// A call is an Observable.
const load$: Observable<Load> = host.load()
void load$

// Wrong arguments are refused.
// @ts-expect-error: two numbers, not one
host.div([1])
// @ts-expect-error: the argument is missing
host.div()
// @ts-expect-error: a text is no number
host.kill({ pid: '1' })
// @ts-expect-error: a key too many
host.kill({ pid: 1, name: 'init' })
// @ts-expect-error: no such method
host.unload()
// @ts-expect-error: the caller gives the schema's input
clock.at({ date: new Date() })
// @ts-expect-error: a void method takes no argument
host.load('now')

// Options are last; behind a void argument, undefined stands first.
host.load(undefined, { timeoutMs: 50 })
host.div([1, 2], { timeoutMs: 50, signal: new AbortController().signal })
// @ts-expect-error: these would be the argument
host.load({ timeoutMs: 50 })
// @ts-expect-error: misspelt
host.div([1, 2], { timeoutMS: 50 })
// @ts-expect-error: milliseconds are a number
host.div([1, 2], { timeoutMs: '50' })
// @ts-expect-error: the server applies overflow
host.div([1, 2], { overflow: 'latest' })

// A request's blob is required where the contract names it, and an error elsewhere.
const blob = new Uint8Array(3)
exactly<Call<number, string>>()(host.write({ inode: 1, offset: 2n }, { blob }))
exactly<Call<void, string>>()(clock.sends('a', { blob, timeoutMs: 3 }))
// @ts-expect-error: the blob is missing
host.write({ inode: 1, offset: 2 })
// @ts-expect-error: the blob is missing from the options
host.write({ inode: 1, offset: 2 }, { timeoutMs: 3 })
// @ts-expect-error: this method takes none
host.div([1, 2], { blob })
// @ts-expect-error: a response's blob is not given
host.read({ inode: 1 }, { blob })
// @ts-expect-error: bytes, not text
host.write({ inode: 1, offset: 2 }, { blob: 'abc' })

// An answer's blob comes beside its value.
exactly<Call<WithBlob<U64>, number>>()(host.read({ inode: 1 }))
exactly<Call<WithBlob<number>, string>>()(clock.gives('a'))
exactly<Call<WithBlob<void>, string>>()(host.swap(undefined, { blob }))
exactly<Call<WithBlob<number>, string>>()(clock.both(undefined, { blob }))
// @ts-expect-error: a blob both ways must be given, too
host.swap()

// A 64-bit number is a number or a bigint, whichever is exact.
const inode: U64 = 2n ** 64n - 1n
host.read({ inode })
// @ts-expect-error: not both at once without a look
const half: number = inode as U64
void half

// Options may be built up, but an option that is there has a value.
const options: CallOptions = {}
host.div([1, 2], options)
const sending: BlobCallOptions = { blob }
host.write({ inode, offset: 0 }, sending)
// @ts-expect-error: exactOptionalPropertyTypes: leave it out instead
host.div([1, 2], { timeoutMs: undefined })
// @ts-expect-error: exactOptionalPropertyTypes: leave it out instead
const absent: ConnectOptions = { clientId: undefined }
void absent

// A client is made of an address; calls without a contract give the plain reply, or what `read` makes of it.
exactly<Client>()(connect('memory:x', { taskTimeoutMs: 10, clientId: 7n, thresholds: 3 }))
// @ts-expect-error: misspelt
connect('memory:x', { taskTimeoutMS: 10 })
exactly<Observable<Reply>>()(client.call({ action: 3, input: { inode }, blob }))
exactly<Observable<number>>()(client.call({ action: 'Host.load', read: (_, bytes) => bytes.length }))
// @ts-expect-error: a call needs an action
client.call({ input: 1 })

// A proxy keeps its methods' names.
exactly<keyof typeof Host.methods>()({} as keyof typeof host)
