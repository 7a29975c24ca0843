/**
 * The page's side: what the spec has the browser do. Everything here gives plain data, so that it can be handed out.
 */
import { catchError, firstValueFrom, lastValueFrom, map, mergeMap, type Observable, of, range, reduce } from 'rxjs'
import { connect, isUserError, RpcError } from '../../lib/index.ts'
import { Desk } from './contract.ts'

// It dials for a call, so that a spec knows when.
const client = connect(`ws://${location.host}/rpc`, { redial: 'on-call', backoffFirstMs: 0 })
const desk = client.use(Desk)

interface Failure {
  readonly code: string
  readonly executed: string
  readonly action: unknown
  readonly value: unknown
}

function failure(call: Observable<unknown>): Promise<Failure | 'no error'> {
  return firstValueFrom(
    call.pipe(
      map(() => 'no error' as const),
      catchError((error: unknown) => {
        const { code, executed, action } = RpcError.from(error)
        return of({ code, executed, action, value: (error as { value?: unknown }).value })
      }),
    ),
  )
}

const page = {
  div: (a: number, b: number) => firstValueFrom(desk.div([a, b])),
  divFails: () => failure(desk.div([1, 0])),
  openFails: (who: string) => failure(desk.open(who)),
  knows: () =>
    firstValueFrom(
      desk.open('me').pipe(
        map(() => 'no error'),
        catchError(error => of(isUserError(Desk.methods.open, error) ? error.value.who : 'another error')),
      ),
    ),
  killFails: (errno: number) => failure(desk.kill(errno)),
  next: async (text: string) => {
    const value = await firstValueFrom(desk.next(BigInt(text)))
    return `${typeof value} ${value}`
  },
  echo: (value: unknown) => firstValueFrom(desk.echo(value)),
  bytes: async () => {
    const value = (await firstValueFrom(desk.echo(Uint8Array.of(1, 2, 255)))) as Uint8Array
    return { plain: Object.getPrototypeOf(value) === Uint8Array.prototype, bytes: [...value] }
  },
  flip: async (length: number) => {
    const sent = Uint8Array.from({ length }, (_, at) => at % 251)
    const { value, blob } = await firstValueFrom(desk.flip(undefined, { blob: sent }))
    const plain = Object.getPrototypeOf(blob) === Uint8Array.prototype
    return { value, plain, length: blob.length, equal: blob.every((byte, at) => byte === 255 - (at % 251)) }
  },
  many: (calls: number) =>
    lastValueFrom(
      range(0, calls).pipe(
        mergeMap(n => desk.div([n, 2]).pipe(map(half => half * 2 === n))),
        reduce((right, isRight) => right + Number(isRight), 0),
      ),
    ),
  hangFails: () => failure(desk.hang()),
  lateFails: (timeoutMs: number) => failure(desk.hang(undefined, { timeoutMs })),
  abortFails: () => failure(desk.hang(undefined, { signal: AbortSignal.timeout(1) })),
  inFlight: () => client.stats().inFlight,
  close: () => client.close({ waitMs: 0 }),
}

/** The page as the spec sees it. */
export type Page = typeof page

Object.assign(globalThis, { page })
