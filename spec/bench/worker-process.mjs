/**
 * The harness's half of the protocol in worker.mjs: starts a worker in a process of its own, asks it, ends it.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What a worker may take besides the seconds it measures, before the harness gives it up. */
const PATIENCE_MS = 15_000

export class WorkerProcess {
  #label
  #child
  #exited
  #waiting

  /** `cores`: where it may run, as `taskset -c` takes it (Linux); undefined leaves that to the system. */
  constructor(label, file, args, cores) {
    const pinned = cores === undefined ? {} : { execPath: 'taskset', execArgv: ['-c', cores, process.execPath] }
    this.#label = label
    this.#child = fork(fileURLToPath(new URL(`./systems/${file}`, import.meta.url)), args, pinned)
    this.#child.on('message', message => this.#settle(message))
    this.#exited = new Promise(resolve => {
      const ended = how => {
        this.#settle({ error: `ended with ${how}` })
        resolve()
      }
      this.#child.on('exit', (code, signal) => ended(signal ?? `exit code ${code}`))
      this.#child.on('error', error => ended(error.message))
    })
  }

  /** One command at a time. Rejects when the worker fails, ends, or does not answer within `seconds` and some patience. */
  ask(command, options, seconds = 0) {
    return new Promise((resolve, reject) => {
      const limitMs = seconds * 1000 + PATIENCE_MS
      const timer = setTimeout(() => this.#settle({ error: `no answer in ${limitMs} ms` }), limitMs)
      this.#waiting = ({ error, result }) => {
        clearTimeout(timer)
        if (error === undefined) resolve(result)
        else reject(new Error(`${this.#label}, ${command}: ${error}`))
      }
      if (this.#child.connected) this.#child.send({ command, options })
      else this.#settle({ error: 'the worker is gone' })
    })
  }

  /** Lets the worker close, then makes sure that it is gone. */
  async stop() {
    try {
      if (this.#child.connected) await this.ask('stop')
    } finally {
      await this.kill()
    }
  }

  /** Ends the worker without asking. */
  async kill() {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 2000)
    if (this.#child.connected) this.#child.disconnect()
    await this.#exited
    clearTimeout(timer)
  }

  #settle(message) {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.(message)
  }
}
