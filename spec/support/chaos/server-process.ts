/**
 * A server of the chaos service as a process of its own, which may be killed at any time. Words: the file of its ledger, and where to
 * listen. Prints the address; drains at SIGTERM.
 */
import { interval } from 'rxjs'
import { chaosServer } from './contract.ts'
import { FileLedger } from './ledger.ts'

const [path, listenAt] = process.argv.slice(2)
const server = chaosServer(new FileLedger(path!))
const { address } = await server.listen(listenAt!)
console.log(`serving at ${address}`)
process.once('SIGTERM', () => {
  server.close({ graceMs: 100, waitMs: 2_000 }).then(
    () => process.exit(),
    (error: unknown) => {
      throw error
    },
  )
})
// Nobody is left to kill it where the process that started it has gone.
const parent = process.ppid
interval(1_000).subscribe({
  next: () => {
    if (process.ppid !== parent) process.exit()
  },
  error: error => {
    throw error
  },
})
