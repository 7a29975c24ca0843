/**
 * What the process before left to this one: its listening sockets as file descriptors, a list of them in the environment, and a
 * channel to it. The other side is `successor.ts`; the whole is told in `graceful.ts`.
 */
import { closeSync, fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import { Observable } from 'rxjs'
import { isThere, release, type SocketFile } from './unix-path.ts'

/** The environment variable with the list, a {@link Will} as JSON. */
export const VARIABLE = 'RAZOR_INHERITED_SOCKETS'
/** The file descriptor of the channel. The sockets follow it, in the order of the list. */
export const CHANNEL_FD = 3

/** What is said over the channel, each a line: by the new process, the old one, and the new one again. */
export const READY = 'ready'
export const GO = 'go'
export const SERVING = 'serving'
/** What the old process says instead of {@link GO}, or after it: it goes on by itself. */
export const NO = 'no'

/** Longer is nothing that the old process says. */
const MOST_SAID = 3

/** One socket of the list. */
export interface Bequest {
  /** As it was listened at. */
  readonly address: string
  /** What to dial. */
  readonly bound: string
  readonly file?: SocketFile | undefined
}

/** The list. */
export interface Will {
  /** 1. A process that does not know it must not start. */
  readonly version: number
  readonly sockets: readonly Bequest[]
}

/** A socket of the list, with its number in this process. */
export interface Inherited extends Bequest {
  readonly fd: number
}

// At once, so that no process that is started here takes it for its own.
const text = process.env[VARIABLE]
delete process.env[VARIABLE]

let unclaimed: Inherited[] | undefined

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket()
  } catch {
    return false
  }
}

function read(): Inherited[] {
  if (text === undefined) return []
  const { version, sockets } = JSON.parse(text) as Will
  if (version !== 1) throw new Error(`${VARIABLE} has version ${version}, and only 1 is known here`)
  const inherited = sockets.map((each, index) => ({ ...each, fd: CHANNEL_FD + 1 + index }))
  const lacking = [CHANNEL_FD, ...inherited.map(({ fd }) => fd)].find(fd => !isSocket(fd))
  if (lacking !== undefined) {
    throw new Error(
      `file descriptor ${lacking} is no socket: the command of the new process has to pass on what it got`,
    )
  }
  return inherited
}

/** The list without what was claimed. Throws where it is wrong. */
function rest(): Inherited[] {
  unclaimed ??= read()
  return unclaimed
}

/** Takes the socket of `address`, where one was left. Throws where the list is wrong. */
export function claim(address: string): Inherited | undefined {
  // A file that is not the socket's any more leads nobody to it.
  const usable = rest().filter(({ file }) => file === undefined || isThere(file))
  const found = usable.find(each => each.address === address) ?? usable.find(each => each.bound === address)
  if (found !== undefined) rest().splice(rest().indexOf(found), 1)
  return found
}

/** Closes what nobody claimed: the new process does not listen there any more. */
export function renounce(): void {
  for (const { fd, file } of rest().splice(0)) {
    if (file !== undefined) release(file)
    closeSync(fd)
  }
}

/** The process before this one; nothing where none started this one. Throws where the list of what it left is wrong. */
export function predecessor(): Predecessor | undefined {
  rest()
  return text === undefined ? undefined : new Predecessor()
}

/** The process before this one. */
export class Predecessor {
  readonly #channel: Socket = new Socket({ fd: CHANNEL_FD })
  #serving = false

  /**
   * Says that this process is ready; emits once it may serve, because the other one says so or is gone. Errors where the other one has
   * given this one up.
   */
  ready(): Observable<void> {
    return new Observable(subscriber => {
      let said = ''
      const mayServe = (): void => {
        subscriber.next()
        subscriber.complete()
      }
      this.#channel.setEncoding('utf8').on('data', (part: string) => {
        said = (said + part).slice(0, MOST_SAID)
        if (said === `${GO}\n`) mayServe()
        else if (said === `${NO}\n`)
          subscriber.error(new Error('too late: the process before this one goes on serving'))
      })
      // An error of the channel is the end of the other side, too, and 'close' follows.
      this.#channel.on('error', () => undefined)
      this.#channel.once('close', mayServe)
      this.#channel.write(`${READY}\n`)
    })
  }

  /** Says that this process accepts: the one before it need not any more. */
  serving(): void {
    this.#serving = true
    this.#channel.end(`${SERVING}\n`)
  }

  /** Closes the channel, if there is nothing left to say. */
  leave(): void {
    if (!this.#serving) this.#channel.destroy()
  }
}
