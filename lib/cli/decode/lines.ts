/**
 * Events as lines for people.
 */
import { formatJson } from '../json-text.ts'
import { type Colour, coloured, counts, plainLine, type Terminal } from '../terminal.ts'
import type { CallEvent, CallTraffic, DecodeEvent, FrameEvent, TotalEvent } from './events.ts'

/** Puts events in words, each on a line of its own. */
export class Lines {
  readonly #terminal: Terminal
  #calls = false

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  /** The line of an event, and its end. */
  line(event: DecodeEvent): string {
    switch (event.event) {
      case 'capture':
        return `${this.#in('gray', `recorded from ${event.began} on; times are milliseconds since then`)}\n`
      case 'open': {
        const { address = 'somebody', recordedBy } = event
        const who = recordedBy === undefined ? '' : `, recorded by the ${recordedBy}`
        return this.#at(event, this.#in('gray', `open ${plainLine(address)}${who}`))
      }
      case 'frame':
        return this.#frame(event)
      case 'end': {
        const reason = event.reason === undefined ? '' : `: ${plainLine(event.reason)}`
        return this.#at(event, this.#in('gray', `end, ${plainLine(event.how)}${reason}`))
      }
      case 'note':
        return this.#at(event, this.#in('gray', `note ${arrow(event.direction)}${plainLine(event.note)}`))
      case 'broken': {
        const where = event.offset === undefined ? '' : ` at byte ${event.offset} of its direction`
        return this.#at(event, this.#in('red', `broken ${arrow(event.direction)}${plainLine(event.problem)}${where}`))
      }
      case 'call':
        return this.#call(event)
      case 'total':
        return totalLine(event)
    }
  }

  #in(colour: Colour, text: string): string {
    return coloured(this.#terminal, this.#terminal.out, colour, text)
  }

  #at(
    { at, connection }: { readonly at?: number | undefined; readonly connection?: number | undefined },
    text: string,
  ): string {
    const time = at === undefined ? '' : `${at.toFixed(3).padStart(12)} `
    return `${time}${connection === undefined ? '' : `#${connection} `}${text}\n`
  }

  #frame(event: FrameEvent): string {
    const { direction, text, bytes, blobBytes, credit, problem } = event
    const isError = event.errno !== undefined || event.error !== undefined || problem !== undefined
    const words = this.#in(isError ? 'red' : direction === 'up' ? 'cyan' : 'green', plainLine(text))
    const blob = blobBytes === undefined || event.error !== undefined ? '' : `, blob ${sized(blobBytes)}`
    const parts = [`${arrow(direction)}${words}`, `${sized(bytes)}${blob}`]
    if (credit !== undefined) parts.push(`credit ${credit}`)
    const message = messageText(event)
    if (message !== undefined) parts.push(message)
    return this.#at(event, parts.join('  '))
  }

  #call(event: CallEvent): string {
    const { connection, seq, action, shape, ms, up, down, canceled, ended } = event
    const parts = [`${directionText('up', up)}, ${directionText('down', down)}`]
    const when = ms === undefined ? '' : ` after ${ms.toFixed(3)} ms`
    parts.push(`${canceled ? 'canceled, ' : ''}${plainLine(ended)}${when}`)
    for (const [name, { withoutCredit }] of [['up', up] as const, ['down', down] as const]) {
      if (withoutCredit === undefined) continue
      const { times, ms: stalledMs } = withoutCredit
      const lasted = stalledMs === undefined ? '' : `, ${stalledMs.toFixed(3)} ms in all`
      parts.push(`${name} without credit ${times === 1 ? 'once' : `${times} times`}${lasted}`)
    }
    const head = this.#in('bold', `#${connection} ${seq} ${plainLine(String(action))}`)
    const title = this.#calls ? '' : '\ncalls:\n'
    this.#calls = true
    return `${title}  ${head} (${shape}): ${parts.join('; ')}\n`
  }
}

function arrow(direction: 'up' | 'down' | undefined): string {
  return direction === undefined ? '' : direction === 'up' ? '-> ' : '<- '
}

function messageText({ message, messageBeginning, messageProblem }: FrameEvent): string | undefined {
  if (messageProblem !== undefined) return `(${plainLine(messageProblem)})`
  if (messageBeginning !== undefined) return `${messageBeginning}...`
  return message === undefined ? undefined : formatJson(message)
}

function directionText(name: string, { items, bytes }: CallTraffic): string {
  const counted = items === 0 ? '' : `${counts(items, 'item')} `
  return `${name} ${counted}${sized(bytes)}`
}

function sized(bytes: number): string {
  return `${bytes} B`
}

function totalLine({ connections, frames, bytes, calls, broken }: TotalEvent): string {
  const sums = [
    counts(connections, 'connection'),
    counts(frames, 'frame'),
    counts(calls, 'call'),
    `${bytes} bytes read`,
  ]
  if (broken > 0) sums.push(`broken in ${counts(broken, 'place')}`)
  return `\n${sums.join(', ')}\n`
}
