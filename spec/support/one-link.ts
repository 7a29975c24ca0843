/**
 * A client for specs that look at one connection: it has one at a time, dials for a call, never by itself, and sends a
 * call once.
 */
import type { ConnectOptions } from '../../lib/index.ts'

/** Options of such a client. */
export const ONE_LINK: ConnectOptions = { maxConnections: 1, redial: 'on-call', backoffFirstMs: 0, retry: 'never' }
