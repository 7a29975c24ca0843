/**
 * The dashboard's page: one client, its streams, and a panel for each of them.
 */
import { asapScheduler, fromEvent, Subject, Subscription, share } from 'rxjs'
import { Host } from '../../services/host-contract.ts'
import { Demo } from '../contract.ts'
import { brakePanel } from './brake-panel.ts'
import { callsPanel } from './calls-panel.ts'
import { dashboardClient, standsBy } from './connection.ts'
import { connectionPanel } from './connection-panel.ts'
import { element } from './elements.ts'
import { filesPanel } from './files-panel.ts'
import { logPanel } from './log-panel.ts'
import { looks } from './looks.ts'
import { machinePanel } from './machine-panel.ts'
import { processesPanel } from './processes-panel.ts'
import { goesOn, type Shared } from './shared.ts'
import type { Happening } from './standing.ts'
import { ticksWhile, visibility } from './visible.ts'

const TICK_MS = 250

const client = dashboardClient(location.host)
const host = client.use(Host)
const told$ = new Subject<Happening>()
/** A panel whose stream fails for good says so, and the others go on. */
const failed = (error: unknown): void => {
  const problem = element('machine-problem')
  problem.hidden = false
  problem.textContent = error instanceof Error ? error.message : String(error)
}
const ticks$ = ticksWhile(visibility(document), TICK_MS).pipe(share())
const looks$ = looks().pipe(share())
const figures$ = client.use(Demo).figures({ everyMs: TICK_MS }).pipe(goesOn).pipe(share())
const shared: Shared = { client, ticks$, looks$, figures$, tell: happening => told$.next(happening), failed }

const all = new Subscription()
all.add(connectionPanel(shared, told$))
all.add(brakePanel(shared))
all.add(callsPanel(shared))
all.add(machinePanel({ samples$: host.metrics({ everyMs: 1_000 }).pipe(goesOn), ticks$, looks$, failed }))
all.add(processesPanel(host.processes({ everyMs: 2_000, top: 12 }).pipe(goesOn), failed))
all.add(filesPanel(shared))
all.add(logPanel(host.tail({ path: 'dashboard.log', lines: 40 }).pipe(goesOn), ticks$, failed))
all.add(standsBy(client).subscribe({ error: failed }))
fromEvent(window, 'pagehide').subscribe({
  next: () => {
    all.unsubscribe()
    asapScheduler.schedule(() => void client.close({ waitMs: 0 }).catch(failed))
  },
  error: failed,
})
