/**
 * What a user gave, over the defaults.
 */

/**
 * `options` with the defaults for what they leave out, or give as `undefined`. Throws a `TypeError`, by name, for what is no such
 * number: NaN would be above no limit, and so turn it off.
 */
export function withDefaults<T extends object>(defaults: T, options: Partial<T>): T {
  const all = Object.entries<unknown>(defaults as Record<string, unknown>).map(([name, fallback]) => {
    const value: unknown = options[name as keyof T] ?? fallback
    const least = LEAST[name] ?? 0
    if (typeof fallback === 'number' && !(typeof value === 'number' && value >= least)) {
      const shown = typeof value === 'string' ? JSON.stringify(value) : String(value)
      throw new TypeError(`${name} must be a number from ${least} up, not ${shown}`)
    }
    return [name, value] as const
  })
  return Object.fromEntries(all) as T
}

/** Of the others it is 0: none of that. */
const LEAST: Readonly<Record<string, number>> = {
  tickMs: 1,
  window: 1,
  maxWindow: 1,
  version: 1,
  thresholds: 1,
  maxConnections: 1,
}
