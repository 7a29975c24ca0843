import { loadavg } from 'node:os'
import { implement, RpcServer } from 'razor-rx/node'
import { map, timer } from 'rxjs'
import { Host } from './contract.ts'

const host = implement(Host, {
  loads: ({ everyMs }) => timer(0, everyMs).pipe(map(() => loadavg())), // stops when the caller unsubscribes
  div: ([a, b], { fail }) => {
    if (b === 0) throw fail('divide by zero')
    return a / b // a value, a Promise or an Observable
  },
})

const server = new RpcServer({ services: [host] })
const { address } = await server.listen(process.argv[2] ?? 'ws://127.0.0.1:8080')
console.log(`listening at ${address}`)
process.once('SIGINT', () => server.close())
