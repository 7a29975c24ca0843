/**
 * The listening sockets of this process, each with its server: so that all of them can be handed over to a process that takes this
 * one's place.
 */
import { closeSync } from 'node:fs'
import type { Server } from 'node:net'
import { type Observable, of } from 'rxjs'
import { release, type SocketFile } from './unix-path.ts'

/** What is known of a listening socket. */
export interface SocketFacts {
  readonly server: Server
  /** As the user wrote it: the next process asks for it under this name. */
  readonly address: string
  /** What to dial. */
  readonly bound: string
  /** A Unix socket has one. */
  readonly file?: SocketFile | undefined
  /** Connections that are accepted and no links yet: now, and at each change. Default: always 0. */
  readonly opening$?: Observable<number> | undefined
  /** The file descriptor of a socket that the process before left to this one; absent where it was bound here. */
  readonly inherited?: number | undefined
}

const open = new Set<ListeningSocket>()

/** The sockets of this process, in the order in which they were bound or inherited. */
export function openSockets(): readonly ListeningSocket[] {
  return [...open]
}

/**
 * One listening socket. An inherited one accepts nothing before {@link begin}, and is not this process's own before {@link own}:
 * should this process fail until then, the one before it goes on as if nothing had been.
 */
export class ListeningSocket {
  readonly address: string
  readonly bound: string
  readonly file: SocketFile | undefined
  /** Connections that are accepted and no links yet: now, and at each change. */
  readonly opening$: Observable<number>
  readonly #server: Server
  /** Its file descriptor, until the server has it. */
  #inherited: number | undefined
  /** Its file is this process's to remove. */
  #own: boolean

  constructor(facts: SocketFacts) {
    this.address = facts.address
    this.bound = facts.bound
    this.file = facts.file
    this.opening$ = facts.opening$ ?? of(0)
    this.#server = facts.server
    this.#inherited = facts.inherited
    this.#own = facts.inherited === undefined
    open.add(this)
  }

  /**
   * Its file descriptor. Throws where there is none for another process: on Windows, in a worker of `cluster`, and should a later
   * Node not tell it any more.
   */
  get fd(): number {
    // Nothing public tells it: a server can only be sent to a child over IPC, and one that arrives so accepts at once.
    const { _handle } = this.#server as unknown as { readonly _handle?: { readonly fd?: number } | null }
    const fd = _handle?.fd ?? -1
    if (fd >= 0) return fd
    const why =
      process.platform === 'win32'
        ? 'on Windows a socket cannot be handed over so'
        : `Node ${process.version} tells no file descriptor of it; a worker of node:cluster has none`
    throw new Error(`cannot hand over ${this.address}: ${why}`)
  }

  /** Accepts from now on; rejects where the system refuses. */
  begin(): Promise<void> {
    const fd = this.#inherited
    if (fd === undefined) return Promise.resolve()
    this.#inherited = undefined
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.once('listening', () => {
        this.#server.off('error', reject)
        resolve()
      })
      this.#server.listen({ fd })
    })
  }

  /** It is this process's from now on. */
  own(): void {
    this.#own = true
  }

  /** Another process has it from now on: accepts nothing more here, and leaves its file alone. */
  giveAway(): void {
    this.#own = false
    this.#server.close()
  }

  /** Stops accepting, and frees the address where it is this process's own. */
  close(): void {
    open.delete(this)
    // Before the server closes: until then no other file can have this inode.
    if (this.#own && this.file !== undefined) release(this.file)
    this.#server.close()
    if (this.#inherited !== undefined) closeSync(this.#inherited)
    this.#inherited = undefined
  }
}
