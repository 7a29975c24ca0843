/**
 * Puts on the page how the client stands with its servers.
 */
import type { AddressStats } from '../../../client/stats.ts'
import type { FailoverClient } from '../../../connect.ts'
import type { Figures } from '../contract.ts'
import { element, made, say, tone } from './elements.ts'
import { type Standing, serverName } from './standing.ts'
import { timeOfDay } from './words.ts'

/** What the panel shows. */
export interface ConnectionView {
  show(standing: Standing, figures: Figures | undefined, now: number): void
  notes(standing: Standing): void
}

/** Lines that are on the page. */
const MOST_NOTES = 30

/** Finds its places on the page. */
export function connectionView(client: FailoverClient): ConnectionView {
  const chip = element('state')
  const retry = element('retry')
  const notes = element('notes')
  const servers = element('servers')
  const lines = client.addresses.map(address => {
    const parts = { dot: made('i', { class: 'dot' }), state: made('span'), tag: made('span', { class: 'tag' }) }
    const line = made('li', {}, parts.dot, made('b', {}, serverName(address)), parts.state, parts.tag)
    servers.append(line)
    return { address, line, ...parts }
  })
  let shown: Standing['notes'] = []
  return {
    show: (standing, figures, now) => {
      const { text, mood } = headline(standing)
      say(chip, text)
      tone(chip, mood)
      const stats = client.stats()
      say(element('round-trip'), roundTrip(stats.roundTripMs))
      lines.forEach(({ address, line, dot, state, tag }, n) => {
        const number = n + 1
        const leads = standing.from === number && standing.brokeAt === undefined
        const mine = stats.addresses.find(each => each.address === address)
        tone(dot, moodOf(mine))
        say(state, stateOf(mine, standing, now))
        const own = figures?.servers.find(server => server.number === number)?.state
        const isDrained = own === 'draining' && mine?.state === 'ready'
        say(tag, isDrained ? 'draining' : leads ? 'leads' : mine?.state === 'ready' ? 'stands by' : '')
        line.dataset['leads'] = String(leads)
        line.dataset['state'] = mine?.state ?? 'idle'
      })
      const { retryAt, status } = standing
      retry.hidden = retryAt === undefined
      if (retryAt !== undefined && status.state === 'unhealthy') {
        const seconds = Math.max(0, retryAt - now) / 1000
        say(
          retry,
          seconds > 0 ? `No server answers. Next try in ${seconds.toFixed(1)} s.` : 'No server answers. Trying now.',
        )
      }
    },
    notes: standing => {
      const fresh = standing.notes.filter(note => !shown.includes(note))
      shown = standing.notes
      for (const { at, text, tone: mood } of fresh) {
        notes.append(made('li', { 'data-tone': mood }, made('time', {}, timeOfDay(at)), made('span', {}, text)))
      }
      while (notes.children.length > MOST_NOTES) notes.firstElementChild!.remove()
    },
  }
}

function headline({ status, from, brokeAt }: Standing): { readonly text: string; readonly mood: string } {
  if (status.state === 'unhealthy') return { text: `No server answers, try ${status.attempt} failed`, mood: 'bad' }
  if (status.state !== 'ready') return { text: 'Connecting', mood: 'warn' }
  if (brokeAt !== undefined) return { text: 'Recovering', mood: 'warn' }
  return { text: from === undefined ? 'Connected' : `Connected to server ${from}`, mood: 'good' }
}

/** The client measures whole milliseconds. */
function roundTrip(ms: number | undefined): string {
  if (ms === undefined) return ''
  return ms < 1 ? 'round trip under 1 ms' : `round trip ${Math.round(ms)} ms`
}

function moodOf(mine: AddressStats | undefined): string {
  if (mine?.state === 'ready') return 'good'
  return mine?.state === 'unhealthy' ? 'bad' : 'warn'
}

function stateOf(mine: AddressStats | undefined, { retries }: Standing, now: number): string {
  if (mine === undefined) return 'unknown'
  const { state, inFlight, address } = mine
  if (state === 'ready') return `connected, ${inFlight} calls`
  const next = retries[address]
  if (state !== 'unhealthy' || next === undefined) return state === 'unhealthy' ? 'lost, dialling' : state
  const seconds = Math.max(0, next.at - now) / 1000
  return seconds > 0 ? `down, retry in ${seconds.toFixed(1)} s` : 'down, trying'
}
