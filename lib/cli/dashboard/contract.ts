/**
 * The contract of `Demo`: what the dashboard shows besides the machine. Producers that a slow consumer brakes, figures of the server's
 * own process, and faults on demand. Plain data without a module of Node: the page imports it.
 */
import { type Contract, service, type, type Unary, unary } from '../../service/contract.ts'
import { type Stream, stream } from '../../service/streaming.ts'
import { nil, struct, wholeFrom } from '../services/shapes.ts'

/** One item of a producer. */
export interface Reading {
  /** Counts from 1; where the policy loses items, numbers are missing. */
  readonly n: number
  /** One of {@link SENSORS} things that are measured. */
  readonly sensor: number
  /** Some text, so that an item weighs about a kilobyte. */
  readonly text: string
}

/** The producers of one connection, since it was opened. */
export interface ProducerFigures {
  /** Items that were made: those that a policy has lost included. */
  readonly made: number
  /** Items that a policy has lost. */
  readonly dropped: number
  /** How many producers run, and how many of them wait for credit now. */
  readonly running: number
  readonly waiting: number
}

/** One of the two servers. */
export interface ServerFigures {
  readonly number: ServerNumber
  readonly state: 'up' | 'draining' | 'down'
  readonly connections: number
  readonly calls: number
  readonly streams: number
  readonly dropped: number
  readonly heldBytes: number
}

/** The process that serves, at one moment. */
export interface Figures {
  /** When, in milliseconds since 1970. */
  readonly at: number
  /** Who says so. */
  readonly from: ServerNumber
  readonly servers: readonly ServerFigures[]
  /** Of the caller's own connection. */
  readonly producers: ProducerFigures
  /** Of the process, which both servers share. */
  readonly residentBytes: number
  readonly heapBytes: number
}

/** One process runs two servers, so that a client can fail over. */
export type ServerNumber = 1 | 2

/** What a producer is told: items that it would make in a second, if they were taken. */
export interface ProducerOrder {
  readonly perSecond: number
}

/** What {@link Demo.methods.outage} is told. */
export interface OutageOrder {
  /** 1 or 2; 0: both. */
  readonly server: number
  /** How long until it is back, once it is down. */
  readonly forMs: number
}

/** Bounds of the orders. */
export const MOST_PER_SECOND = 100_000
export const MOST_OUTAGE_MS = 60_000
/** Different sensors that the readings of a producer come from in turn. */
export const SENSORS = 16
/** Credit that a producer starts with, in items: what may be under way. */
export const PRODUCER_WINDOW = 64

const order = struct<ProducerOrder>({ perSecond: wholeFrom(1, MOST_PER_SECOND) })
const outage = struct<OutageOrder>({ server: wholeFrom(0, 2), forMs: wholeFrom(0, MOST_OUTAGE_MS) })

/**
 * The contract. `kill`, `stall`, `drain` and `outage` break things on purpose: they exist for the dashboard alone, and only a caller on
 * this machine may use them.
 */
export const Demo: Contract<{
  readonly figures: Stream<{ everyMs: number }, Figures, string>
  readonly pausing: Stream<ProducerOrder, Reading, string>
  readonly latest: Stream<ProducerOrder, Reading, string>
  readonly conflated: Stream<ProducerOrder, Reading, string>
  readonly dropping: Stream<ProducerOrder, Reading, string>
  readonly kill: Unary<void, void, string>
  readonly stall: Unary<{ forMs: number }, void, string>
  readonly drain: Unary<OutageOrder, void, string>
  readonly outage: Unary<OutageOrder, void, string>
}> = service('Demo', {
  /** Figures every `everyMs` milliseconds, from 50 to a minute; the newest counts. */
  figures: stream({
    input: struct<{ everyMs: number }>({ everyMs: wholeFrom(50, 60_000) }),
    output: type<Figures>(),
    overflow: 'latest',
    window: 2,
  }),
  /** A producer that can be pulled: without credit it waits, and loses nothing. */
  pausing: stream({ input: order, output: type<Reading>(), window: PRODUCER_WINDOW }),
  /** The same readings from a producer that cannot wait: without credit the newest is kept. */
  latest: stream({ input: order, output: type<Reading>(), window: PRODUCER_WINDOW, overflow: 'latest' }),
  /** Without credit the newest of each sensor is kept. */
  conflated: stream({
    input: order,
    output: type<Reading>(),
    window: PRODUCER_WINDOW,
    overflow: { conflate: 'sensor' },
  }),
  /** Without credit the newest 16 are kept. */
  dropping: stream({ input: order, output: type<Reading>(), window: PRODUCER_WINDOW, overflow: { dropOldest: 16 } }),
  /** Cuts the caller's own connection, without a word. */
  kill: unary({ input: nil }),
  /** Lets nothing pass over the caller's own connection for a while, either way. */
  stall: unary({ input: struct<{ forMs: number }>({ forMs: wholeFrom(1, MOST_OUTAGE_MS) }) }),
  /** Has a server finish in order, and come back later. */
  drain: unary({ input: outage }),
  /** Takes a server down at once, and brings it back later. */
  outage: unary({ input: outage }),
})
