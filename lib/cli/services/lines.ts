/**
 * Bytes into lines of text, with a limit on what waits for the end of its line.
 */

/** A longer line comes in pieces of at most that many bytes. */
export const MAX_LINE_BYTES: number = 64 * 1024
export const NEWLINE = 0x0a

const EMPTY = Buffer.alloc(0)

/** Splits at `\n`, which is not part of a line. Bytes that are no UTF-8 become U+FFFD. */
export class LineSplitter {
  /** The beginning of a line; a copy. */
  #kept: Buffer = EMPTY;

  /** The lines that `chunk` completes. It must stay as it is until the last one was taken. */
  *take(chunk: Buffer): Generator<string> {
    for (let from = 0; from < chunk.length; ) {
      const end = chunk.indexOf(NEWLINE, from)
      const part = chunk.subarray(from, end < 0 ? undefined : end)
      let line = this.#kept.length === 0 ? part : Buffer.concat([this.#kept, part])
      while (line.length > MAX_LINE_BYTES) {
        const cut = codePointBefore(line, MAX_LINE_BYTES)
        yield line.toString('utf8', 0, cut)
        line = line.subarray(cut)
      }
      this.#kept = end < 0 ? Buffer.from(line) : EMPTY
      if (end < 0) return
      yield line.toString()
      from = end + 1
    }
  }

  /** The line that has no end, where there is one: none comes any more. */
  *end(): Generator<string> {
    const line = this.#kept
    this.#kept = EMPTY
    if (line.length > 0) yield line.toString()
  }
}

/** The last place up to `at` that is not within a character. */
function codePointBefore(bytes: Buffer, at: number): number {
  let cut = at
  while (at - cut < 3 && (bytes[cut]! & 0xc0) === 0x80) cut--
  return (bytes[cut]! & 0xc0) === 0x80 ? at : cut
}
