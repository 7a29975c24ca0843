import { catchUserError, connect } from 'razor-rx/node'
import { concat, map, of, switchMap, take, timer } from 'rxjs'
import { Host } from './contract.ts'

const client = connect(process.argv[2] ?? 'ws://127.0.0.1:8080')
const host = client.use(Host)

const loads$ = timer(0, 1000).pipe(
  switchMap(() => host.load()), // one call a second, each given up when the next begins
  map(([lastMinute]) => `load ${lastMinute}`),
  take(3),
)
const quotient$ = host.div([1, 0]).pipe(catchUserError(text => of(`div failed: ${text}`)))

concat(loads$, quotient$).subscribe({
  next: line => console.log(line),
  error: error => console.error(error.code, error.executed, error.message),
  complete: () => client.close(),
})
