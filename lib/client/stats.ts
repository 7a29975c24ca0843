/**
 * What a client counts.
 */
import type { ClientState } from './status.ts'

/** What a client, or one address of it, counts: figures of this moment, but for the two that grow from the start on. */
export interface ClientStats {
  /** Open connections, those that take no further calls included. */
  readonly connections: number
  /** Calls that wait for a slot, or for a connection. */
  readonly waiting: number
  /** Calls and pings that were sent and have not been answered, those given up by their callers included. */
  readonly inFlight: number
  /** Units of credit that streams have given, and servers have not used. */
  readonly credit: number
  /** Bytes that were written and have not left this process. */
  readonly unsentBytes: number
  /** The latest round trip of a ping, in milliseconds; the least of the addresses. `undefined` before the first. */
  readonly roundTripMs: number | undefined
  /** Answers that came after their call was over, since the start. */
  readonly lateAnswers: number
  /** Calls that were sent again, to this address where it is one, since the start. */
  readonly retries: number
}

/** One address of a client. */
export interface AddressStats extends ClientStats {
  readonly address: string
  readonly state: ClientState
}

/** A client: the sum, and each address by itself. */
export interface PoolStats extends ClientStats {
  readonly addresses: readonly AddressStats[]
}

/** What the calls of a client hold, as numbers: all 0 where nothing is going on. */
export interface ClientHoldings {
  /** Slots taken, of calls and of streams. */
  readonly slots: number
  /** Calls that were sent and given up: their slots are taken until the server's last word, or a timeout. */
  readonly leaving: number
  /** Bytes of the calls that wait. */
  readonly waitingBytes: number
  /** Bytes of items that consumers have not done with. */
  readonly itemBytes: number
}
