/**
 * How the client stands with its two servers, told from what happens to it: a pure fold, so that a spec can play it through.
 */
import type { ClientEvent, ClientStatus } from '../../../client/status.ts'

/** One thing that happened, for people. */
export interface Note {
  readonly at: number
  readonly text: string
  readonly tone: 'good' | 'bad' | 'plain'
}

/** What is known. */
export interface Standing {
  readonly status: ClientStatus
  /** When the next try of the client follows, where it is down. */
  readonly retryAt: number | undefined
  /** By address: the next try there, where it is down. */
  readonly retries: Readonly<Record<string, { readonly at: number; readonly attempt: number }>>
  /** Which server the streams come from. */
  readonly from: number | undefined
  /** When they broke off, until they go on. */
  readonly brokeAt: number | undefined
  /** The newest last. */
  readonly notes: readonly Note[]
}

/** What can happen. */
export type Happening = { readonly at: number } & (
  | { readonly type: 'status'; readonly status: ClientStatus }
  | { readonly type: 'event'; readonly event: ClientEvent }
  /** The page's own streams were lost. */
  | { readonly type: 'gap' }
  /** A stream's item came from that server. */
  | { readonly type: 'item'; readonly from: number }
  | { readonly type: 'note'; readonly text: string; readonly tone: Note['tone'] }
)

/** Notes that are kept. */
const MOST_NOTES = 50

export const BEGINNING: Standing = {
  status: { state: 'idle' },
  retryAt: undefined,
  retries: {},
  from: undefined,
  brokeAt: undefined,
  notes: [],
}

/** What is known after one more thing. */
export function stand(before: Standing, happening: Happening): Standing {
  const { at } = happening
  switch (happening.type) {
    case 'status': {
      const { status } = happening
      return { ...before, status, retryAt: status.state === 'unhealthy' ? at + status.retryInMs : undefined }
    }
    case 'event':
      return afterEvent(before, at, happening.event)
    case 'gap':
      return { ...before, brokeAt: before.brokeAt ?? at }
    case 'item':
      return afterItem(before, at, happening.from)
    case 'note':
      return noted(before, happening)
  }
}

function afterEvent(before: Standing, at: number, event: ClientEvent): Standing {
  const name = serverName(event.address)
  switch (event.type) {
    case 'connected': {
      const { [event.address]: _, ...retries } = before.retries
      return noted({ ...before, retries }, { at, text: `${name}: connected`, tone: 'good' })
    }
    case 'disconnected': {
      const { code, message } = event.error
      const isOrderly = code === 'rpc_draining'
      const text = isOrderly ? `${name}: is finishing, calls move on` : `${name}: lost (${shortened(message)})`
      return noted(before, { at, text, tone: isOrderly ? 'plain' : 'bad' })
    }
    case 'unreachable': {
      const { attempt, retryInMs } = event
      const retries = { ...before.retries, [event.address]: { at: at + retryInMs, attempt } }
      const text = `${name}: down, try ${attempt} failed, next in ${(retryInMs / 1000).toFixed(1)} s`
      return noted({ ...before, retries }, { at, text, tone: 'bad' })
    }
    default:
      return before
  }
}

function afterItem(before: Standing, at: number, from: number): Standing {
  if (before.brokeAt === undefined && before.from === from) return before
  const after = { ...before, from, brokeAt: undefined }
  if (before.brokeAt === undefined) return noted(after, { at, text: `streams come from server ${from}`, tone: 'plain' })
  const text = `streams go on from server ${from} after ${Math.round(at - before.brokeAt)} ms`
  return noted(after, { at, text, tone: 'good' })
}

function noted(standing: Standing, { at, text, tone }: Note): Standing {
  return { ...standing, notes: [...standing.notes, { at, text, tone }].slice(-MOST_NOTES) }
}

/** `ws://127.0.0.1:19752/rpc/1` is server 1. */
export function serverName(address: string): string {
  return `server ${address.slice(address.lastIndexOf('/') + 1)}`
}

/** What a message says besides the address that stands before it. */
function shortened(message: string): string {
  return message.replace(/^\w+:\/\/\S+: /, '').replace(/^connection lost: /, '')
}
