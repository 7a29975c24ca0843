/**
 * The panel of files: up and down in pieces, with progress, speed and a way to cancel.
 */
import {
  asyncScheduler,
  catchError,
  concatMap,
  EMPTY,
  from,
  fromEvent,
  merge,
  type Observable,
  Subject,
  Subscription,
  switchMap,
  takeUntil,
} from 'rxjs'
import { RpcError } from '../../../error.ts'
import { type FileFacts, Host } from '../../services/host-contract.ts'
import { element, made, say, tone } from './elements.ts'
import type { Shared } from './shared.ts'
import { type ByteSource, download, madeUp, Pieces, type Progress, upload } from './transfer.ts'
import { bytes, bytesPerSecond, percent } from './words.ts'

/** A call that moves a file may take an hour. */
const MOST_MS = 60 * 60 * 1000
const MADE_UP_BYTES = 64 * 1024 * 1024
/** Transfers that are over and still told. */
const MOST_TOLD = 4

/** Brings the panel to life. */
export function filesPanel({ client, failed }: Shared): Subscription {
  const host = client.use(Host)
  const all = new Subscription()
  const changed$ = new Subject<void>()
  const begin = (name: string, work$: Observable<Progress>, done: () => void): void => {
    all.add(shown(name, work$, done, failed))
  }
  const send = (name: string, file: ByteSource): void =>
    begin(
      `Up: ${name}`,
      upload(file, pieces => host.store({ name }, pieces, { timeoutMs: MOST_MS }), asyncScheduler),
      () => changed$.next(),
    )
  const fetch = ({ name, bytes: size }: FileFacts): void => {
    const pieces = new Pieces()
    const work$ = download(size, host.fetch({ path: name }), piece => pieces.add(piece), asyncScheduler)
    begin(`Down: ${name}`, work$, () => save(name, pieces.blob()))
  }
  const input = element('file', HTMLInputElement)
  all.add(
    fromEvent(input, 'change')
      .pipe(
        concatMap(() => {
          const files = [...(input.files ?? [])]
          input.value = ''
          return from(files)
        }),
      )
      .subscribe({ next: file => send(file.name, file), error: failed }),
  )
  all.add(
    fromEvent(element('made-up'), 'click').subscribe({
      next: () => send('made-up.bin', madeUp(MADE_UP_BYTES)),
      error: failed,
    }),
  )
  all.add(
    merge(changed$, client.status$)
      .pipe(
        // A list that cannot be had now comes when the client is ready again.
        switchMap(() => host.files().pipe(catchError(() => EMPTY))),
      )
      .subscribe({ next: files => list(files, fetch), error: failed }),
  )
  return all
}

function list(files: readonly FileFacts[], fetch: (file: FileFacts) => void): void {
  const rows = files.map(file => {
    const button = made('button', { type: 'button', 'aria-label': `Download ${file.name}` }, 'Download')
    button.addEventListener('click', () => fetch(file))
    return made(
      'tr',
      {},
      made('td', {}, file.name),
      made('td', { class: 'number' }, bytes(file.bytes)),
      made('td', { class: 'act' }, button),
    )
  })
  element('files-rows').replaceChildren(...rows)
}

/** A line for a transfer, which it follows to its end. */
function shown(
  name: string,
  work$: Observable<Progress>,
  done: () => void,
  failed: (error: unknown) => void,
): Subscription {
  const bar = made('progress', { max: '1', value: '0', 'aria-label': name })
  const how = made('span', { class: 'how' }, 'begins')
  const cancel = made('button', { type: 'button', 'aria-label': `Cancel ${name}` }, 'Cancel')
  const line = made('li', { 'data-state': 'running' }, made('span', { class: 'name' }, name), cancel, how, bar)
  const place = element('transfers')
  place.prepend(line)
  while (place.children.length > MOST_TOLD && place.lastElementChild?.getAttribute('data-state') !== 'running') {
    place.lastElementChild!.remove()
  }
  const ended = (state: string, text: string, mood: string): void => {
    line.dataset['state'] = state
    cancel.remove()
    say(how, text)
    tone(line, mood)
  }
  const canceled$ = fromEvent(cancel, 'click')
  let latest: Progress | undefined
  return work$.pipe(takeUntil(canceled$)).subscribe({
    next: progress => {
      latest = progress
      const { bytes: sofar, totalBytes, bytesPerSecond: speed } = progress
      const share = totalBytes === 0 ? 1 : sofar / totalBytes
      bar.value = share
      say(how, `${bytes(sofar)} of ${bytes(totalBytes)}, ${percent(share * 100)}, ${bytesPerSecond(speed)}`)
    },
    error: (error: unknown) => ended('failed', RpcError.from(error).message, 'bad'),
    complete: () => {
      if (latest?.isDone !== true) {
        ended('canceled', `canceled at ${bytes(latest?.bytes ?? 0)}: nothing is left of it`, 'plain')
        return
      }
      ended('done', `${bytes(latest.totalBytes)} at ${bytesPerSecond(latest.bytesPerSecond)}`, 'good')
      try {
        done()
      } catch (error) {
        failed(error)
      }
    },
  })
}

/** Hands a file to the browser, to be saved. */
function save(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob)
  const link = made('a', { href: url, download: name })
  link.click()
  asyncScheduler.schedule(() => URL.revokeObjectURL(url), 60_000)
}
