/**
 * The panel of the log: the end of a real file, as it grows.
 */
import { fromEvent, type Observable, Subscription } from 'rxjs'
import { Gap } from '../../../flow/resubscribe.ts'
import { element, say } from './elements.ts'

/** Lines that are kept. */
const MOST_LINES = 200

/** Stands where the connection was lost. */
const LOST = '--- lost: lines may be missing here, or come again ---'

/** Brings the panel to life. Lines are gathered as they come, and put on the page at the next tick. */
export function logPanel(
  lines$: Observable<string | Gap>,
  ticks$: Observable<unknown>,
  failed: (error: unknown) => void,
): Subscription {
  const place = element('lines')
  const hold = element('log-hold', HTMLButtonElement)
  const lines: string[] = []
  let isNew = false
  let isHeld = false
  const all = new Subscription()
  all.add(
    lines$.subscribe({
      next: line => {
        const text = Gap.is(line) ? LOST : line
        if (text === LOST && lines.at(-1) === LOST) return
        lines.push(text)
        if (lines.length > MOST_LINES) lines.shift()
        isNew = true
      },
      error: failed,
    }),
  )
  all.add(
    fromEvent(hold, 'click').subscribe({
      next: () => {
        isHeld = !isHeld
        say(hold, isHeld ? 'Go on' : 'Hold')
      },
      error: failed,
    }),
  )
  all.add(
    ticks$.subscribe({
      next: () => {
        if (!isNew || isHeld) return
        isNew = false
        const isAtEnd = place.scrollHeight - place.scrollTop - place.clientHeight < 40
        place.textContent = lines.join('\n')
        if (isAtEnd) place.scrollTop = place.scrollHeight
      },
      error: failed,
    }),
  )
  return all
}
