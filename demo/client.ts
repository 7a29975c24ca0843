import { catchUserError, connect } from 'razor-rx/node'
import { concat, map, of, take } from 'rxjs'
import { Host } from './contract.ts'

const client = connect(process.argv[2] ?? 'ws://127.0.0.1:8080')
const host = client.use(Host)

const loads$ = host.loads({ everyMs: 1000 }).pipe(
  map(([lastMinute]) => `load ${lastMinute}`),
  take(3), // unsubscribes, here and on the server
)
const quotient$ = host.div([1, 0]).pipe(catchUserError(text => of(`div failed: ${text}`)))

concat(loads$, quotient$).subscribe({
  next: line => console.log(line),
  error: error => console.error(error.code, error.executed, error.message),
  complete: () => client.close(),
})
