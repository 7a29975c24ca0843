/**
 * The real Rust peer for interop specs: builds `spec/interop/peer` once, and starts its server and its client as child
 * processes. Both end when their stdin closes, so they do not outlive the spec even when it is killed.
 */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../interop/peer/', import.meta.url))
const targetFolder = join(folder, 'target')
const binary = join(targetFolder, 'release', 'razor-peer')

/** How long a child may take to become ready, and to end by itself before it is killed. */
const READY_MS = 15_000
const STOP_MS = 8_000

/** Whether the peer can be used; `why` says why not, and is empty if it can. */
export interface RustPeer {
  readonly available: boolean
  readonly why: string
}

/** A running server of the Rust crates. Addresses are URLs: `tcp://127.0.0.1:port` or `unix:///path`. */
export interface RustServer {
  /** CalculatorService, EchoService, BenchService and ClusterService. */
  readonly address: string
  /** The file actions 1 open, 2 read, 3 write. */
  readonly fsAddress: string
  /** Asks it to stop and waits for its end: at once without connections, else within some seconds. */
  stop(): Promise<void>
  /** Ends it as a crash would. */
  kill(): Promise<void>
}

/** Options of `startRustServer`. */
export interface RustServerOptions {
  /** Listen here instead of at a free port or a fresh path, as after a restart: the `address` of an earlier server. */
  readonly address?: string
  readonly fsAddress?: string
  /** After how many seconds without a request the server closes a connection. Default: that of the crates, 120. */
  readonly idleTimeoutSec?: number
  /** What it calls itself in ClusterService. */
  readonly name?: string
  /** Whom it follows there. Default: none, it leads. */
  readonly leader?: string
}

/** Options of `startRustClient`. */
export interface RustClientOptions {
  /** Where the file actions are served. Default: the address of the calls. */
  readonly fsAddress?: string
  /** One plain stream that never reconnects, the crates' pool (default), or their failover pool. */
  readonly mode?: 'stream' | 'pool' | 'failover-any' | 'failover-leader'
  /** Call timeout in whole seconds. Default: that of the crates, 20. */
  readonly taskTimeoutSec?: number
  /** Calls in flight per connection. Default: that of the crates, 128. */
  readonly thresholds?: number
}

/**
 * A command for the Rust client, one of
 * - `{ call: 'EchoService.u64', args: 18446744073709551615n }`: a typed call. Integers may be numbers, bigints or
 *   strings; floats also `'NaN'`, `'inf'`, `'-0'`; bytes are a blob;
 * - `{ raw: 'Any.action', args }`: an untyped call with any JSON value as its argument;
 * - `{ fs: 'open', path, flags }`, `{ fs: 'read', inode, offset, len }`, `{ fs: 'write', inode, offset, blob }`;
 * - `{ ping: true }`, with mode `stream` only: answers `'sent'`, as the crates show no pong;
 * - `{ flood: { calls, window } }`: that many additions over one more connection;
 * - `{ run: { method, calls, window } }`: that many calls of `ask` or `lead` of ClusterService. Answers how many each server
 *   answered, by name, and how many failed, by text: `{ servers, errors }`.
 *
 * A blob is hex, or `{ len, seed, offset }` for a piece of `patternBytes`.
 */
export type RustCommand = Readonly<Record<string, unknown>>

/**
 * What the Rust client got. In `ok` each number is a string of all its digits, and a blob is hex or, over 1,024 bytes,
 * `{ len, sum }` with the `checksum` of it. `err.kind` is `user` for an error of the handler, `rpc` for one of the
 * crates, `command` for a command that makes no sense.
 */
export type RustAnswer =
  | { readonly id: number; readonly ok: any }
  | { readonly id: number; readonly err: { readonly kind: 'user' | 'rpc' | 'command'; readonly text: string } }

/** A running client of the Rust crates. */
export interface RustClient {
  /** Runs a command, beside those that run already. Rejects only when the process ends before it answers. */
  command(command: RustCommand): Promise<RustAnswer>
  /** Lets running commands end, then the process; kills it when that takes too long. */
  stop(): Promise<void>
  /** Ends it as a crash would. Commands that still run are rejected. */
  kill(): Promise<void>
}

let peer: RustPeer | undefined

/**
 * Builds the peer, once per process; other processes wait for cargo's own lock. Where skipping is not allowed (`CI` or
 * `RAZOR_NO_SKIP` is set) it throws instead of saying that the peer is not available.
 */
export function rustPeer(): RustPeer {
  peer ??= build()
  if (!peer.available && (process.env['CI'] || process.env['RAZOR_NO_SKIP'])) throw new Error(peer.why)
  return peer
}

function build(): RustPeer {
  const cargo = (...more: string[]) =>
    spawnSync('cargo', ['build', '--release', '--locked', '--target-dir', targetFolder, ...more], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe'],
    })
  // Offline first: with the crates at hand no registry is asked.
  let run = cargo('--offline')
  if (!run.error && run.status !== 0) run = cargo()
  if (run.error) return { available: false, why: `the Rust peer needs cargo: ${run.error.message}` }
  if (run.status !== 0 || !existsSync(binary)) {
    return { available: false, why: `the Rust peer does not build: ${run.stderr.trim().slice(-2000)}` }
  }
  return { available: true, why: '' }
}

/** Starts the server on free TCP ports, or on Unix sockets in a folder of its own. */
export async function startRustServer(kind: 'tcp' | 'unix', options: RustServerOptions = {}): Promise<RustServer> {
  const sockets = kind === 'unix' ? mkdtempSync(join(tmpdir(), 'razor-peer-')) : undefined
  if (sockets !== undefined) folders.add(sockets)
  const fresh = (name: string) => (sockets === undefined ? '127.0.0.1:0' : join(sockets, name))
  const words = [plain(options.address) ?? fresh('api'), plain(options.fsAddress) ?? fresh('fs')]
  if (options.idleTimeoutSec !== undefined) words.push('--idle-timeout', String(options.idleTimeoutSec))
  if (options.name !== undefined) words.push('--name', options.name)
  if (options.leader !== undefined) words.push('--leader', plain(options.leader))
  const child = new Child(['server', ...words])
  const ended = (end: Promise<void>): Promise<void> =>
    end.finally(() => {
      if (sockets !== undefined) removeFolder(sockets)
    })
  try {
    const listening = (await child.firstLines(2)).map(line => line.replace(/^listening /, ''))
    const [address, fsAddress] = listening.map(bound => (bound.startsWith('/') ? `unix://${bound}` : `tcp://${bound}`))
    return {
      address: address!,
      fsAddress: fsAddress!,
      stop: () => ended(child.stop()),
      kill: () => ended(child.kill()),
    }
  } catch (error) {
    await ended(child.kill())
    throw error
  }
}

/** Starts a client of `address`; a failover client takes several. Rejects if a `stream` client cannot connect. */
export async function startRustClient(
  address: string | readonly string[],
  options: RustClientOptions = {},
): Promise<RustClient> {
  const addresses = typeof address === 'string' ? [address] : address
  const words = [addresses.map(plain).join(',')]
  if (options.fsAddress !== undefined) words.push(plain(options.fsAddress)!)
  const { mode = 'pool' } = options
  if (mode === 'stream') words.push('--stream')
  else if (mode !== 'pool') words.push('--failover', mode.slice('failover-'.length))
  if (options.taskTimeoutSec !== undefined) words.push('--task-timeout', String(options.taskTimeoutSec))
  if (options.thresholds !== undefined) words.push('--thresholds', String(options.thresholds))
  const child = new Child(['client', ...words])
  const waiting = new Map<number, { resolve(answer: RustAnswer): void; reject(error: Error): void }>()
  child.onLine = line => {
    const answer: RustAnswer = JSON.parse(line)
    waiting.get(answer.id)?.resolve(answer)
    waiting.delete(answer.id)
  }
  child.onEnd = error => {
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }
  try {
    await child.firstLines(1)
  } catch (error) {
    await child.kill()
    throw error
  }
  let lastId = 0
  return {
    command: command =>
      new Promise<RustAnswer>((resolve, reject) => {
        const id = ++lastId
        const text = JSON.stringify({ ...command, id }, (_, value) =>
          typeof value === 'bigint' ? value.toString() : value,
        )
        const refused = child.write(text)
        if (refused === undefined) waiting.set(id, { resolve, reject })
        else reject(refused)
      }),
    stop: () => child.stop(),
    kill: () => child.kill(),
  }
}

/** A URL as the Rust crates want it: without its scheme. */
function plain(address: string): string
function plain(address: string | undefined): string | undefined
function plain(address: string | undefined): string | undefined {
  return address?.replace(/^(tcp|unix):\/\//, '')
}

const children = new Set<ChildProcessByStdio<Writable, Readable, Readable>>()
const folders = new Set<string>()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  for (const sockets of folders) removeFolder(sockets)
})

function removeFolder(sockets: string): void {
  rmSync(sockets, { recursive: true, force: true })
  folders.delete(sockets)
}

/** A child process that speaks in lines. */
class Child {
  /** Gets each line that `firstLines` does not wait for. */
  onLine: (line: string) => void = () => {}
  /** Called once, when the process has ended and its last line was read. */
  onEnd: (error: Error) => void = () => {}
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #closed: Promise<void>
  #complaints = ''
  #ended: Error | undefined

  constructor(words: readonly string[]) {
    const { available, why } = rustPeer()
    if (!available) throw new Error(why)
    this.#process = spawn(binary, words, { stdio: ['pipe', 'pipe', 'pipe'] })
    children.add(this.#process)
    // Neither ends the spec by itself: 'close' follows, and its error tells of them.
    const complain = (error: Error): void => {
      this.#complaints += `${error.message}\n`
    }
    this.#process.on('error', complain)
    this.#process.stdin.on('error', complain)
    this.#process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints = (this.#complaints + text).slice(-4000)
    })
    createInterface({ input: this.#process.stdout }).on('line', line => this.onLine(line))
    this.#closed = new Promise(resolve => {
      this.#process.on('close', (code, signal) => {
        children.delete(this.#process)
        this.#ended = new Error(`razor-peer ${words[0]} ended (${signal ?? code}): ${this.#complaints.trim()}`)
        this.onEnd(this.#ended)
        resolve()
      })
    })
  }

  /** The first `count` lines; rejects when the process ends, or is silent for too long, before them. */
  async firstLines(count: number): Promise<string[]> {
    const { onLine, onEnd } = this
    const lines: string[] = []
    return new Promise<string[]>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`razor-peer is not ready after ${READY_MS} ms`)), READY_MS)
      const settle = (done: () => void): void => {
        clearTimeout(late)
        Object.assign(this, { onLine, onEnd })
        done()
      }
      this.onLine = line => {
        if (lines.push(line) === count) settle(() => resolve(lines))
      }
      this.onEnd = error => settle(() => reject(error))
    })
  }

  /** Writes a line, or says why that is not possible. */
  write(line: string): Error | undefined {
    if (this.#ended === undefined) this.#process.stdin.write(`${line}\n`)
    return this.#ended
  }

  async stop(): Promise<void> {
    this.#process.stdin.end()
    const late = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MS)
    await this.#closed
    clearTimeout(late)
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#closed
  }
}

/**
 * The content that both ends agree on: bytes of the pattern `seed` from `offset` on. For the server, an inode is the
 * seed. All three numbers are below 2^32. No two 256-byte rows within 16 MiB are alike, so a chunk lost, swapped or repeated on the way shows.
 */
export function patternBytes(seed: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at++) {
    const position = offset + at
    bytes[at] = 7 * (seed % 256) + 31 * (position % 256) + 13 * ((position >>> 8) % 256) + 5 * ((position >>> 16) % 256)
  }
  return bytes
}

/** The checksum in the answers of the Rust client: FNV-1a of 32 bits as 8 hex digits. */
export function checksum(bytes: Uint8Array): string {
  let sum = 0x811c9dc5
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193)
  return (sum >>> 0).toString(16).padStart(8, '0')
}
