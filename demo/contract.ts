import { service, unary } from 'razor-rx'

export const Host = service('Host', {
  load: unary<void, number[]>(), // argument, answer
  div: unary<[number, number], number, 'divide by zero'>(), // and what the handler may fail with
})
