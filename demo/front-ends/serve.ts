/** A page of one of the folders here, and the server it calls, at one port: `node --import tsx serve.ts react|angular [PORT]`. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { build } from 'esbuild'
import { implement, RpcServer } from 'razor-rx/node'
import { finalize, map, timer } from 'rxjs'
import { Host } from '../contract.ts'

const [front = 'react', port = '8080'] = process.argv.slice(2)
const { outputFiles } = await build({
  entryPoints: [`${front}/main.${front === 'react' ? 'tsx' : 'ts'}`],
  tsconfig: 'tsconfig.json',
  bundle: true,
  write: false,
})
const script = outputFiles[0]!.text

const host = implement(Host, {
  loads: ({ everyMs }) =>
    timer(0, everyMs).pipe(
      map(n => [n / 10]),
      finalize(() => console.log('nobody watches any more')),
    ),
  div: ([a, b], { fail }) => {
    if (b === 0) throw fail('divide by zero')
    return a / b
  },
})
const http = createServer(({ url }, response) => {
  response.setHeader('content-type', `text/${url === '/main.js' ? 'javascript' : 'html'}; charset=utf-8`)
  response.end(
    url === '/main.js' ? script : '<!doctype html><title>razor-rx</title><body><script src="main.js"></script>',
  )
})
const server = new RpcServer({ services: [host] })
await server.listen({ server: http, path: '/rpc' })
http.listen(Number(port), '127.0.0.1', () =>
  console.log(`open http://127.0.0.1:${(http.address() as AddressInfo).port}/`),
)
process.once('SIGINT', () => server.close({ waitMs: 0 }).finally(() => process.exit()))
