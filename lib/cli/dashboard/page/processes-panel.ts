/**
 * The panel of the busiest processes.
 */
import type { Observable, Subscription } from 'rxjs'
import { Gap } from '../../../flow/resubscribe.ts'
import type { Processes } from '../../services/host-contract.ts'
import { element, made, say } from './elements.ts'
import { bytes, count } from './words.ts'

/** Brings the panel to life: rows are kept, and only what has changed is written. */
export function processesPanel(
  processes$: Observable<Processes | Gap>,
  failed: (error: unknown) => void,
): Subscription {
  const rows = element('processes-rows')
  return processes$.subscribe({
    next: processes => {
      if (Gap.is(processes) || document.visibilityState !== 'visible') return
      const { all, running, top } = processes
      say(element('processes-all'), `${count(all)} in all, ${count(running)} running`)
      while (rows.children.length > top.length) rows.lastElementChild!.remove()
      top.forEach(({ pid, name, cpuPercent, memoryBytes }, n) => {
        if (rows.children[n] === undefined) rows.append(row())
        const cells = rows.children[n]!.children as unknown as HTMLElement[]
        const texts = [name, String(pid), `${cpuPercent.toFixed(1)}%`, bytes(memoryBytes)]
        texts.forEach((text, column) => {
          say(cells[column]!, text)
        })
      })
    },
    error: failed,
  })
}

function row(): HTMLElement {
  const number = (): HTMLElement => made('td', { class: 'number' })
  return made('tr', {}, made('td'), number(), number(), number())
}
