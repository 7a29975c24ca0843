/**
 * Bytes written as hex digits, read as they come: `25 4d 02`, `0x25, 0x4d`, over any number of lines.
 */

/** The text is not hex; the message says where. */
export class HexError extends Error {}

const BETWEEN = new Set(Array.from(' \t\r\n,', mark => mark.charCodeAt(0)))

/** Takes text as bytes, and gives the bytes it writes. */
export class HexReader {
  /** The first digit of a byte whose second one has not come. */
  #half: number | undefined
  #offset = 0

  push(text: Uint8Array): Uint8Array {
    const bytes = new Uint8Array((text.length >> 1) + 1)
    let filled = 0
    for (const mark of text) {
      this.#offset++
      const digit = digitOf(mark)
      if (digit !== undefined && this.#half !== undefined) {
        bytes[filled++] = this.#half * 16 + digit
        this.#half = undefined
      } else if (digit !== undefined) this.#half = digit
      else if (this.#half === 0 && (mark | 0x20) === 0x78) this.#half = undefined
      else if (!BETWEEN.has(mark)) {
        const found = mark > 0x20 && mark < 0x7f ? `"${String.fromCharCode(mark)}"` : `the byte ${mark}`
        throw new HexError(`${found} at ${this.#offset - 1}, where hex digits, white space, commas and 0x may stand`)
      }
    }
    return bytes.subarray(0, filled)
  }

  /** What is wrong with a text that ends here; `undefined` where nothing is. */
  end(): string | undefined {
    return this.#half === undefined ? undefined : `it ends at ${this.#offset}, with half a byte`
  }
}

/** Could hex begin so? */
export function startsAsHex(byte: number): boolean {
  return digitOf(byte) !== undefined || BETWEEN.has(byte)
}

function digitOf(mark: number): number | undefined {
  if (mark >= 0x30 && mark <= 0x39) return mark - 0x30
  const lower = mark | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : undefined
}
