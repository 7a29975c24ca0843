/**
 * `razor-rx/node` is all of the main entry, with a `connect` and an `RpcServer` that know more.
 */
import { createServer } from 'node:http'
import type { Observable } from 'rxjs'
import * as main from '../../lib/index.ts'
import * as node from '../../lib/node/index.ts'
import { Clock, Host } from './contracts.ts'
import { exactly } from './exactly.ts'

// Whoever knows the main entry knows this one.
const whole: Omit<typeof main, 'RpcServer'> = node
void whole

exactly<main.Client>()(node.connect('tcp://127.0.0.1:1', { logger: console }))
const proxy: main.ServiceClient<typeof Host.methods> = node.connect('unix:///x').use(Host)
void proxy

// A server listens at an address, at a path of an HTTP server, or at any listener.
const server = new node.RpcServer({
  interceptors: [(call, next) => next(call)],
  logger: console,
  maxCalls: 3,
})
exactly<Promise<main.Listening>>()(server.listen('tcp://127.0.0.1:0'))
server.listen({ server: createServer(), path: '/rpc' })
server.listen(main.memoryListener('memory:x'))
exactly<Promise<void>>()(server.close({ waitMs: 3 }))
exactly<Observable<number>>()(server.connections$)
// @ts-expect-error: no HTTP server
server.listen({ server: {}, path: '/rpc' })

// Interceptors see the request and the answer.
node.connect('memory:x', {
  interceptors: [
    (request, next) => {
      exactly<main.CallRequest<unknown>>()(request)
      return next({ ...request, timeoutMs: 5 })
    },
  ],
})

// One proxy a contract.
const client = node.connect('memory:x')
exactly<main.ServiceClient<typeof Clock.methods>>()(client.use(Clock))
// @ts-expect-error: no contract
client.use({ at: 1 })
