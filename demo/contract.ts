import { service, stream, unary } from 'razor-rx'

export const Host = service('Host', {
  loads: stream<{ everyMs: number }, number[]>({ overflow: 'latest' }), // argument, item
  div: unary<[number, number], number, 'divide by zero'>(), // argument, answer, what the handler may fail with
})
