/**
 * `razor ws` and `razor tcp`: the contract that both ends share, from the built library.
 */
import { service, unary } from '../../../dist/node/index.js'

export const Bench = service('Bench', {
  unary: unary(),
  blob: unary({ blob: 'request' }),
})
