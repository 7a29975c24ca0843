/**
 * The names that stand in the documents' short examples without being made there: a short example shows calls, and
 * somebody else made the client. Whatever RxJS and `razor-rx/node` export needs no line here.
 */
import type { Server } from 'node:http'
import {
  type Client,
  duplex,
  type Implementation,
  type RpcServer,
  type ServerInterceptor,
  type ServiceClient,
  service,
  stream,
  unary,
  upload,
} from 'razor-rx/node'
import type { Observable } from 'rxjs'

export { z } from 'zod'

/** The service of the first pages of the README, and what else the examples ask it. */
export const Host = service('Host', {
  load: unary<void, number[]>({ idempotent: true }),
  loads: stream<{ everyMs: number }, number[]>({ overflow: 'latest' }),
  div: unary<[number, number], number, 'divide by zero'>(),
  open: unary<{ path: string }, number, { kind: 'denied' }>({ errors: 'coded' }),
})

/** Streams of every shape. */
export const Files = service('Files', {
  tail: stream<{ path: string }, string>({ window: 64 }),
  store: upload<{ name: string }, Uint8Array, { bytes: number }>(),
  shell: duplex<{ cwd: string }, string, string>(),
})

/** A proxy, and in the chapters on servers the handlers. */
export declare const host: ServiceClient<typeof Host.methods> & Implementation
export declare const files: ServiceClient<typeof Files.methods>
export declare const client: Client
export declare const server: RpcServer
export declare const httpServer: Server
export declare const logging: ServerInterceptor

export declare const clicks$: Observable<unknown>
export declare const chunks$: Observable<Uint8Array>
export declare const keystrokes$: Observable<string>
export declare const pairs: [number, number][]
export declare const signal: AbortSignal
export declare const error: unknown
export declare const path: string
export declare const name: string
export declare const cwd: string
export declare const token: string
export declare function leaderIn(value: unknown): string | undefined
export declare function show(...facts: unknown[]): void
export declare function index(line: string): Promise<void>
