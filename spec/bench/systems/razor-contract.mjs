/**
 * `razor ws` and `razor tcp`: the contract that both ends share, from the built library.
 */
import { service, stream, unary } from '../../../dist/node/index.js'

export const Bench = service('Bench', {
  unary: unary(),
  blob: unary({ blob: 'request' }),
  items: stream(),
  feed: stream(),
  start: unary(),
  taken: unary(),
  stop: unary(),
})
