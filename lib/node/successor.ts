/**
 * Starts the process that takes this one's place, with all listening sockets of this one. The other side is `inheritance.ts`; the
 * whole is told in `graceful.ts`.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { Observable } from 'rxjs'
import { timerMs } from '../flow/long-timer.ts'
import { CHANNEL_FD, GO, NO, READY, SERVING, VARIABLE, type Will } from './inheritance.ts'
import type { ListeningSocket } from './sockets.ts'

/** The first is the program, the rest its arguments. */
export type Command = readonly [string, ...string[]]

/** The command line of this process: the files it names may have changed since it was started. */
export function ownCommand(): Command {
  return [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
}

function start([program, ...args]: Command, sockets: readonly ListeningSocket[]): ChildProcess {
  const will: Will = { version: 1, sockets: sockets.map(({ address, bound, file }) => ({ address, bound, file })) }
  const ours = Array.from({ length: CHANNEL_FD }, () => 'inherit' as const)
  return spawn(program, args, {
    stdio: [...ours, 'pipe', ...sockets.map(({ fd }) => fd)],
    env: { ...process.env, [VARIABLE]: JSON.stringify(will) },
  })
}

/** How a process ended, in words. */
function ending(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`
}

/**
 * Starts `command`. Emits its process id; completes when it serves, and then it lives on by itself. Errors where it cannot be started,
 * ends before it serves, or is not ready, or does not serve then, within `readyTimeoutMs`, and is killed. Unsubscribing kills it, too.
 */
export function startSuccessor(
  command: Command,
  sockets: readonly ListeningSocket[],
  readyTimeoutMs: number,
): Observable<number> {
  return new Observable(subscriber => {
    const child = start(command, sockets)
    const channel = child.stdio[CHANNEL_FD] as Socket
    let said = ''
    let wrong: string | undefined
    let serves = false
    const giveUp = (why: string): void => {
      wrong ??= why
      child.kill('SIGKILL')
    }
    const tooLate = (): void => giveUp(`was not ready within readyTimeoutMs ${readyTimeoutMs}, and was killed`)
    const mostMs = timerMs(readyTimeoutMs)
    let timer = setTimeout(tooLate, mostMs)
    subscriber.add(() => {
      clearTimeout(timer)
      if (serves) {
        channel.destroy()
        child.unref()
      } else {
        // Where the command starts the program as a process of its own, killing does not reach it.
        channel.end(`${NO}\n`)
        channel.unref()
        child.kill('SIGKILL')
      }
    })
    child.on('error', error => subscriber.error(new Error(`cannot start ${command[0]}: ${error.message}`)))
    child.once('exit', (code, signal) => {
      subscriber.error(new Error(`the new process ${wrong ?? `${ending(code, signal)} before it was ready`}`))
    })
    // What a process that is gone does not read any more: its end is what counts.
    channel.on('error', () => undefined)
    channel.setEncoding('utf8').on('data', (part: string) => {
      said += part
      const expected = `${READY}\n${SERVING}\n`
      if (said === expected) {
        serves = true
        subscriber.complete()
      } else if (said === `${READY}\n`) {
        clearTimeout(timer)
        timer = setTimeout(tooLate, mostMs)
        channel.write(`${GO}\n`)
      } else if (!expected.startsWith(said)) {
        giveUp(`wrote ${JSON.stringify(said.slice(0, 40))} to file descriptor ${CHANNEL_FD}, and was killed`)
      }
    })
    if (child.pid !== undefined) subscriber.next(child.pid)
  })
}
