/**
 * A process of a spec: serves a stream of very many items, and says how much memory it took.
 */
import { implement, RpcServer } from '../../../lib/node/index.ts'
import { Numbers, Resident } from './numbers.ts'

const resident = new Resident()
const server = new RpcServer({
  services: [
    implement(Numbers, {
      items: function* (count) {
        for (let n = 0; n < count; n++) yield { n, text: `item ${n} of ${count}, with some text to carry` }
      },
      mark: () => resident.mark(),
      memory: () => resident.memory,
    }),
  ],
})
const { address } = await server.listen('tcp://127.0.0.1:0')
console.log(`serving at ${address}`)
// Its parent closes its input to end it; none is expected.
process.stdin.resume().on('end', () => process.exit())
