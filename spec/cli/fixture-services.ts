/** A user's module of services: one by name, an array, and one of them once more under another name. */
import { Subject } from 'rxjs'
import { implement, service, unary } from '../../lib/node/index.ts'

export const release$ = new Subject<unknown>()
export const begun$ = new Subject<void>()

const Gate = service('Gate', { wait: unary<void, unknown>() })
const Echo = service('Echo', {
  any: unary<unknown, unknown>(),
  coded: unary<unknown, void, object>({ errors: 'coded' }),
  text: unary<string>(),
  twice: unary<unknown, unknown>({ action: 77, blob: 'both' }),
})

export const gate = implement(Gate, {
  wait: () => {
    begun$.next()
    return release$
  },
})

export const others = [
  implement(Echo, {
    any: value => value,
    coded: (value, { fail }) => {
      throw fail(value as object)
    },
    text: (value, { fail }) => {
      throw fail(value)
    },
    twice: (value, { blob }) => ({ value, blob: Uint8Array.of(...blob, ...blob) }),
  }),
]
export const again = gate
