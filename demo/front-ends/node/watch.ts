/** The load of the server, once a second, in Node: `node --import tsx node/watch.ts [ADDRESS]`. */
import { connect, RpcError } from 'razor-rx/node'
import { firstValueFrom } from 'rxjs'
import { Host } from '../../contract.ts'

const client = connect(process.argv[2] ?? 'ws://127.0.0.1:8080/rpc')
const host = client.use(Host)
try {
  console.log(`9 / 2 = ${await firstValueFrom(host.div([9, 2]))}`)
  let lines = 0
  for await (const [lastMinute] of host.loads({ everyMs: 1000 })) {
    console.log(`load ${lastMinute}`)
    if (++lines === 3) break // unsubscribes
  }
} catch (error) {
  if (!RpcError.is(error)) throw error
  console.error(`${error.code}, executed ${error.executed}: ${error.message}`)
  process.exitCode = 1
} finally {
  await client.close()
}
