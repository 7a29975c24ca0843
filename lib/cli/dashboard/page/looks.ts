/**
 * Light or dark: as the system has it, unless somebody chose.
 */
import { fromEvent, map, merge, type Observable, startWith } from 'rxjs'
import { element } from './elements.ts'

const KEPT_AS = 'razor-rx-theme'

/** Follows the choice on the page, and emits whenever colours may have changed. */
export function looks(): Observable<void> {
  const choice = element('theme', HTMLSelectElement)
  choice.value = kept()
  const apply = (): void => {
    const { value } = choice
    if (value === 'auto') delete document.documentElement.dataset['theme']
    else document.documentElement.dataset['theme'] = value
  }
  apply()
  const chosen$ = fromEvent(choice, 'change').pipe(
    map(() => {
      apply()
      keep(choice.value)
    }),
  )
  return merge(chosen$, fromEvent(matchMedia('(prefers-color-scheme: dark)'), 'change')).pipe(
    map(() => undefined),
    startWith(undefined),
  )
}

function kept(): string {
  try {
    const value = localStorage.getItem(KEPT_AS)
    return value === 'light' || value === 'dark' ? value : 'auto'
  } catch {
    // A browser may forbid to keep anything: then nothing is kept.
    return 'auto'
  }
}

function keep(value: string): void {
  try {
    localStorage.setItem(KEPT_AS, value)
  } catch {
    // As above: the choice holds until the page is left.
  }
}
