/**
 * Files on their way, as Observables of how far they are: unsubscribing cancels.
 */
import { defer, ignoreElements, interval, Observable, type SchedulerLike, tap } from 'rxjs'

/** How far a transfer is. */
export interface Progress {
  readonly bytes: number
  readonly totalBytes: number
  /** Since it began, on average. */
  readonly bytesPerSecond: number
  readonly isDone: boolean
}

/** Bytes of one item of an upload. */
const PIECE_BYTES = 64 * 1024
/** Read of a file at once. */
const BLOCK_BYTES = 1024 * 1024
/** How often it is told how far it is. */
const TELL_MS = 100

/** What a file is to an upload: a `File` of the page, or what is made up. */
export interface ByteSource {
  readonly size: number
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> }
}

/** The bytes of a file in pieces, read when they are asked for; `passed` hears of each piece. */
export async function* pieces(file: ByteSource, passed: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < file.size; at += BLOCK_BYTES) {
    const block = new Uint8Array(await file.slice(at, Math.min(file.size, at + BLOCK_BYTES)).arrayBuffer())
    for (let from = 0; from < block.length; from += PIECE_BYTES) {
      const piece = block.subarray(from, from + PIECE_BYTES)
      yield piece
      passed(piece.length)
    }
  }
}

/** Sends a file; `send` is the call, which takes its pieces. */
export function upload(
  file: ByteSource,
  send: (pieces: AsyncIterable<Uint8Array>) => Observable<{ readonly bytes: number }>,
  scheduler: SchedulerLike,
): Observable<Progress> {
  return progress(file.size, scheduler, passed =>
    send(pieces(file, passed)).pipe(
      tap(({ bytes }) => {
        if (bytes !== file.size) throw new Error(`the server stored ${bytes} of ${file.size} bytes`)
      }),
    ),
  )
}

/** Fetches a file; `keep` gets its pieces in order. */
export function download(
  totalBytes: number,
  pieces$: Observable<Uint8Array>,
  keep: (piece: Uint8Array) => void,
  scheduler: SchedulerLike,
): Observable<Progress> {
  return progress(totalBytes, scheduler, passed =>
    pieces$.pipe(
      tap(piece => {
        keep(piece)
        passed(piece.length)
      }),
    ),
  )
}

function progress(
  totalBytes: number,
  scheduler: SchedulerLike,
  work: (passed: (bytes: number) => void) => Observable<unknown>,
): Observable<Progress> {
  return defer(() => {
    const began = scheduler.now()
    let bytes = 0
    const told = (isDone: boolean): Progress => {
      const seconds = (scheduler.now() - began) / 1000
      return { bytes, totalBytes, bytesPerSecond: seconds > 0 ? bytes / seconds : 0, isDone }
    }
    const work$ = work(more => {
      bytes += more
    }).pipe(ignoreElements())
    return new Observable<Progress>(subscriber => {
      const ticks = interval(TELL_MS, scheduler).subscribe({
        next: () => subscriber.next(told(false)),
        error: error => subscriber.error(error),
      })
      subscriber.add(ticks)
      subscriber.next(told(false))
      subscriber.add(
        work$.subscribe({
          error: error => subscriber.error(error),
          complete: () => {
            subscriber.next(told(true))
            subscriber.complete()
          },
        }),
      )
    })
  })
}

/** Bytes that nobody has to have: `size` of them, always the same. */
export function madeUp(size: number): ByteSource {
  return {
    size,
    slice: (start, end) => ({
      arrayBuffer: () => {
        const words = new Uint32Array(Math.ceil((end - start) / 4))
        // A multiplicative hash: looks random enough not to be squeezed on the way.
        for (let n = 0; n < words.length; n++) words[n] = Math.imul(start / 4 + n + 1, 2654435761)
        return Promise.resolve(words.buffer.slice(0, end - start))
      },
    }),
  }
}

/** The pieces of a download as one file; a few at a time become a `Blob`, which the browser may keep on disk. */
export class Pieces {
  readonly #blobs: Blob[] = []
  #pieces: Uint8Array<ArrayBuffer>[] = []
  #bytes = 0

  add(piece: Uint8Array): void {
    this.#pieces.push(piece as Uint8Array<ArrayBuffer>)
    this.#bytes += piece.length
    if (this.#bytes >= 8 * BLOCK_BYTES) this.#pack()
  }

  blob(): Blob {
    this.#pack()
    return new Blob(this.#blobs)
  }

  #pack(): void {
    if (this.#pieces.length > 0) this.#blobs.push(new Blob(this.#pieces))
    this.#pieces = []
    this.#bytes = 0
  }
}
