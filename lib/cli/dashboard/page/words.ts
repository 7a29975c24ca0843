/**
 * Numbers in words: three digits where they say enough, and a unit.
 */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** `1.25 GiB`. */
export function bytes(count: number): string {
  let unit = 0
  let value = Math.max(0, count)
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? Math.round(value) : threeDigits(value)} ${UNITS[unit]}`
}

/** `1.25 GiB/s`. */
export function bytesPerSecond(count: number): string {
  return `${bytes(count)}/s`
}

/** `0.42 ms`, `3.1 s`. */
export function milliseconds(duration: number): string {
  return duration < 1000 ? `${threeDigits(duration)} ms` : `${threeDigits(duration / 1000)} s`
}

/** `12,345`. */
export function count(number: number): string {
  return Math.round(number).toLocaleString('en')
}

/** `12%`. */
export function percent(number: number): string {
  return `${Math.round(number)}%`
}

/** `09:41:07`, of the clock on the wall. */
export function timeOfDay(atMs: number): string {
  return new Date(atMs).toLocaleTimeString('en-GB')
}

function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0)
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2)
}
