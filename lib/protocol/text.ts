/**
 * Text that has to fit, cut at a code point; and objects that print as a line of their own.
 */

const encoder = new TextEncoder()

/** UTF-8 of `text`, cut at a code point to at most `maxBytes`. */
export function cutText(text: string, maxBytes: number): Uint8Array {
  const whole = text.length <= maxBytes ? encoder.encode(text) : encoder.encode(text.slice(0, maxBytes))
  if (whole.length <= maxBytes) return whole
  let end = maxBytes
  while (end > 0 && (whole[end]! & 0xc0) === 0x80) end--
  return whole.subarray(0, end)
}

/** Makes `console.log` and `util.inspect` of Node, which look under this symbol, show what `toString` gives. */
export function printsAsText(prototype: object): void {
  Object.defineProperty(prototype, Symbol.for('nodejs.util.inspect.custom'), { value: prototype.toString })
}
