/**
 * Writes a capture while calls run. It never makes them wait: what the disk has not taken is held up to a limit, and beyond it
 * the recording ends, and says so.
 */
import { closeSync, constants, openSync, writeSync, writev } from 'node:fs'
import { UsageError } from '../failure.ts'
import { coloured, plainLine, type Terminal } from '../terminal.ts'
import { fileHead, RECORD_HEAD_BYTES, STOPPED, writeRecordHead } from './format.ts'

/** Bytes that may wait for the disk. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024
/** Larger bodies are kept as they are; smaller ones are copied, as each may be a view of something large. */
const LARGE_BYTES = 16 * 1024
const BLOCK_BYTES = 64 * 1024
/** What one write takes at most; the system takes no more than 1,024 pieces. */
const MAX_PIECES = 512

/** The system calls that a recorder needs; a spec puts a slow or full disk in their place. */
export interface Disk {
  writev(fd: number, pieces: Uint8Array[], position: number, done: (error: Error | null, written: number) => void): void
  writeSync(fd: number, piece: Uint8Array, offset: number, length: number, position: number): number
}

const DISK: Disk = {
  writev,
  writeSync,
}

/** An open capture. */
export class Recorder {
  readonly file: string
  readonly #terminal: Terminal
  readonly #disk: Disk
  readonly #fd: number
  readonly #began: number
  readonly #maxWaitingBytes: number
  /** What waits, oldest first; the last one may be a block that still takes more, filled up to `#filled`. */
  #pieces: Uint8Array[] = []
  #block: Uint8Array | undefined
  #filled = 0
  #waitingBytes = 0
  /** What is being written, and where in the file it belongs. */
  #writing: Uint8Array[] = []
  #position = 0
  #scheduled = false
  #stopped = false
  #closed = false
  #onIdle: (() => void) | undefined
  #connections = 0
  readonly #awaited: Promise<unknown>[] = []

  /**
   * Makes the file, for this user only (mode 0600), since it will hold tokens. A {@link UsageError} where that fails, also where
   * there is such a file. `maxWaitingBytes` may wait for the disk; default 64 MiB.
   */
  constructor(file: string, terminal: Terminal, disk: Disk = DISK, maxWaitingBytes: number = MAX_WAITING_BYTES) {
    this.file = file
    this.#terminal = terminal
    this.#disk = disk
    this.#maxWaitingBytes = maxWaitingBytes
    try {
      this.#fd = openSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
    } catch (error) {
      throw new UsageError(refusal(file, error as NodeJS.ErrnoException))
    }
    this.#began = terminal.now()
    this.#add(fileHead(Date.now()))
    process.on('exit', this.#flushNow)
  }

  /** {@link Recorder.close} waits for `over`, which never rejects: what is recorded until then belongs to the recording. */
  awaits(over: Promise<unknown>): void {
    this.#awaited.push(over)
  }

  /** Bytes that the disk has not taken. */
  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** The number of one more connection. */
  nextConnection(): number {
    return ++this.#connections
  }

  /** Adds a record whose body is `bytes`, which never change afterwards. */
  bytes(kind: number, connection: number, bytes: Uint8Array): void {
    if (this.#stopped || this.#closed) return
    if (this.#waitingBytes + bytes.length > this.#maxWaitingBytes) {
      const most = Math.round(this.#maxWaitingBytes / (1024 * 1024))
      this.#stop(
        `the disk did not keep up, and more than ${most} MiB were waiting for it`,
        'record to a faster disk, or less at a time',
      )
      return
    }
    this.#record(kind, connection, bytes)
  }

  /** Adds a record whose body is `facts` as JSON. */
  facts(kind: number, connection: number, facts: object): void {
    this.bytes(kind, connection, Buffer.from(JSON.stringify(facts)))
  }

  /** Resolves when everything is in the file, and closes it; also where it could not be written, which was told then. */
  async close(): Promise<void> {
    if (this.#closed) return
    await Promise.all(this.#awaited)
    this.#closed = true
    if (this.#waitingBytes > 0) {
      await new Promise<void>(resolve => {
        this.#onIdle = resolve
        this.#write()
      })
    }
    process.off('exit', this.#flushNow)
    closeSync(this.#fd)
  }

  #record(kind: number, connection: number, bytes: Uint8Array): void {
    const head = new Uint8Array(RECORD_HEAD_BYTES)
    const atMicros = Math.round((this.#terminal.now() - this.#began) * 1000)
    writeRecordHead(head, 0, { kind, connection, atMicros, bytes: bytes.length })
    this.#add(head)
    if (bytes.length > 0) this.#add(bytes)
  }

  #add(bytes: Uint8Array): void {
    this.#waitingBytes += bytes.length
    if (bytes.length > LARGE_BYTES) {
      this.#seal()
      this.#pieces.push(bytes)
    } else {
      if (this.#block === undefined || this.#filled + bytes.length > this.#block.length) {
        this.#seal()
        this.#block = new Uint8Array(BLOCK_BYTES)
        this.#filled = 0
      }
      this.#block.set(bytes, this.#filled)
      this.#filled += bytes.length
    }
    if (this.#scheduled || this.#writing.length > 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#write()
    })
  }

  /** What is in the block waits now; one that is mostly empty is used again. */
  #seal(): void {
    if (this.#block === undefined || this.#filled === 0) return
    if (this.#filled < BLOCK_BYTES / 2) this.#pieces.push(this.#block.slice(0, this.#filled))
    else {
      this.#pieces.push(this.#block.subarray(0, this.#filled))
      this.#block = undefined
    }
    this.#filled = 0
  }

  #write(): void {
    if (this.#writing.length > 0) return
    this.#seal()
    this.#writing = this.#pieces.splice(0, MAX_PIECES)
    if (this.#writing.length === 0) {
      this.#onIdle?.()
      return
    }
    // Where it belongs, so that it can be written once more should the process end in the middle.
    this.#disk.writev(this.#fd, this.#writing, this.#position, (error, written) => {
      if (error !== null) this.#fail(error)
      else this.#took(written)
      this.#write()
    })
  }

  /** The disk took so many bytes, not always all it was given: the rest is first again. */
  #took(written: number): void {
    this.#position += written
    this.#waitingBytes -= written
    let left = written
    let at = 0
    for (; at < this.#writing.length && left >= this.#writing[at]!.length; at++) left -= this.#writing[at]!.length
    const rest = this.#writing.slice(at)
    this.#writing = []
    if (rest.length === 0) return
    rest[0] = rest[0]!.subarray(left)
    this.#pieces = rest.concat(this.#pieces)
  }

  #fail(error: Error): void {
    this.#writing = []
    this.#pieces = []
    this.#block = undefined
    this.#waitingBytes = 0
    if (!this.#stopped) this.#warn(error.message, 'make room, or record to another disk')
    this.#stopped = true
  }

  #stop(reason: string, next: string): void {
    this.#record(STOPPED, 0, Buffer.from(JSON.stringify({ reason })))
    this.#stopped = true
    this.#warn(reason, next)
  }

  #warn(reason: string, next: string): void {
    const { err } = this.#terminal
    const text = `the recording to ${this.file} has stopped: ${reason}. The file has what came before; ${next}.`
    err.write(`${coloured(this.#terminal, err, 'red', 'razor:')} ${plainLine(text)}\n`)
  }

  /** The process ends at once: there is no turn left to wait in. */
  readonly #flushNow = (): void => {
    this.#seal()
    for (const piece of [...this.#writing, ...this.#pieces]) {
      let at = 0
      try {
        while (at < piece.length) {
          at += this.#disk.writeSync(this.#fd, piece, at, piece.length - at, this.#position + at)
        }
      } catch (error) {
        this.#fail(error as Error)
        return
      }
      this.#position += piece.length
    }
    this.#writing = []
    this.#pieces = []
  }
}

function refusal(file: string, error: NodeJS.ErrnoException): string {
  if (error.code === 'EEXIST') return `--record ${file}: there is such a file; remove it, or name another`
  return `--record ${file}: ${error.message}; name a file in a folder that you may write to`
}
