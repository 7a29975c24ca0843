/**
 * A program: it does what the file says that its word names. Each line it prints begins with its process id.
 */
import { once } from 'node:events'
import { readdirSync, readFileSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'
import { NEVER, reduce, startWith } from 'rxjs'
import { Graceful, implement, RpcServer } from '../../lib/node/index.ts'
import { loggerTo } from './logged.ts'
import { type Plan, Restartable } from './restartable.ts'

const print = (text: string): void => void writeSync(1, `${process.pid}: ${text}\n`)
const plan = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as Plan
const { version, fault, pidFile, command, readyTimeoutMs, graceMs } = plan
if (fault === 'exits') process.exit(1)
const graceful = new Graceful({ pidFile, command, readyTimeoutMs, logger: loggerTo(({ message }) => print(message)) })
const restartable = implement(Restartable, {
  who: () => ({ version, pid: process.pid, open: readdirSync('/proc/self/fd').length }),
  sum: (_, { items$ }) => items$.pipe(reduce((sum, item) => ({ sum: sum.sum + item, version }), { sum: 0, version })),
  forever: () => NEVER.pipe(startWith(version)),
})
const server = new RpcServer({ services: [restartable], ...(graceMs === undefined ? {} : { graceMs }) })
for (const address of plan.listen) print(`listening at ${(await server.listen(address)).address}`)
if (plan.http !== undefined) {
  const web = createServer((_request, response) => response.end(`version ${version}`))
  print(`listening at ${(await graceful.listen(web, plan.http)).address}`)
}
if (fault === 'closes and exits') {
  await server.close()
  process.exit(3)
}
if (fault === 'crashes') process.kill(process.pid, 'SIGKILL')
if (fault === 'chatters') writeSync(3, 'hello\n')
if (fault === 'is ready at SIGHUP' || fault === 'chatters') {
  const waiting = setInterval(() => {}, 1_000)
  await once(process, 'SIGHUP')
  clearInterval(waiting)
}
await graceful.run(server)
print('over')
