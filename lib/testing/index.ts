/**
 * `razor-rx/testing`: a client and a server in one process, for the specs of services: in virtual time, over a link with any
 * weather. Knows no test runner.
 */
export { type DirectionOptions, type Fault, type FaultLetter, GARBAGE } from './faults.ts'
export type { CallOnWire } from './ledger.ts'
export { type LinkedPair, type LinkedPairOptions, linkedPair } from './linked-pair.ts'
export type { Wire, WireFrame, WireView, WireViews } from './wire.ts'
