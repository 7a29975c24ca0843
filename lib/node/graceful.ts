/**
 * Restarts without a gap: a new process takes this one's place, and its listening sockets.
 *
 * The new process is started with the sockets as file descriptors. What it listens at is taken from those where it can be, and it
 * accepts nothing there before it is ready; then it accepts, and this one stops accepting and drains. No connection is refused in
 * between: both hold the sockets, and one of the two accepts. Where the new process ends, or takes too long, this one goes on.
 */
import type { Server } from 'node:net'
import {
  catchError,
  combineLatest,
  concat,
  defaultIfEmpty,
  defer,
  delayWhen,
  EMPTY,
  exhaustMap,
  filter,
  finalize,
  firstValueFrom,
  from,
  ignoreElements,
  map,
  merge,
  type Observable,
  of,
  race,
  Subject,
  switchMap,
  take,
  takeLast,
  tap,
  timer,
} from 'rxjs'
import { type Logger, logTo } from '../logger.ts'
import type { ServerLogEntry } from '../server/config.ts'
import type { Listening } from '../server/server.ts'
import { cannotListen, parseTcp } from './addresses.ts'
import { bindTcp, bindUnix, tcpUrl } from './binding.ts'
import { predecessor, renounce } from './inheritance.ts'
import { PidFile } from './pid-file.ts'
import { type ListeningSocket, openSockets } from './sockets.ts'
import { type Command, ownCommand, startSuccessor } from './successor.ts'

/** What a `Graceful` can be told. */
export interface GracefulOptions {
  /** A file for the number of the process that serves, written when it does and removed when it stops. Default: none. */
  readonly pidFile?: string | undefined
  /** Starts the new process: the program, and its arguments. Default: the command line of this process. */
  readonly command?: Command | undefined
  /** How long the new process may take until it is ready, in ms. Default 30,000. Rust: `restart_timeout`. */
  readonly readyTimeoutMs?: number | undefined
  /** Hears of each step. Default: nobody does. */
  readonly logger?: Logger | undefined
}

/** Something that serves until it is closed: an `RpcServer`, a `Gateway`, or something of the user's. */
export interface Stoppable {
  /** Drains; resolves when it is over. Called again, with `waitMs` 0, by who cannot wait. */
  close(options?: { readonly waitMs?: number }): Promise<void>
  /** For the log: how many calls run. */
  stats?(): { readonly calls?: number; readonly connections?: number }
}

/** How long connections that were accepted before the new process accepts may take to become links: for the upgrade of a WebSocket. */
const OPENING_MS = 1_000

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const

/**
 * Runs servers until a signal, and hands over to a new process without a gap: SIGUSR2 starts the command line again, which may be
 * another version by then. On Windows it only drains at SIGINT, and `restart` writes to the log why it starts nothing; the same in
 * a worker of `node:cluster`. Rust: `GracefulServer`.
 *
 * ```ts
 * const graceful = new Graceful({ pidFile: '/run/adder.pid', logger: console })
 * const server = new RpcServer({ services: [adder] })
 * await server.listen('tcp://0.0.0.0:4000')
 * await server.listen('unix:///run/adder.sock')
 * await graceful.run(server)
 * await database.end()
 * ```
 *
 * The program just listens: `listen` takes the socket of that address over where there is one. `run` says that it is ready. Only one
 * `Graceful` is for a process. Where a service counts as over when its first process is (`Type=simple` of systemd, the first process of
 * a container), the new one is ended with the old: there, whoever supervises it has to follow the pid file.
 */
export class Graceful {
  readonly #command: Command
  readonly #readyTimeoutMs: number
  readonly #pidFile: PidFile | undefined
  readonly #log: (entry: ServerLogEntry) => void
  readonly #restarts = new Subject<void>()
  /** Why this process cannot start another now. */
  #busy: string | undefined = 'this process does not serve yet'

  constructor(options: GracefulOptions = {}) {
    this.#command = options.command ?? ownCommand()
    this.#readyTimeoutMs = options.readyTimeoutMs ?? 30_000
    this.#pidFile = options.pidFile === undefined ? undefined : new PidFile(options.pidFile)
    this.#log = logTo(options.logger)
  }

  /**
   * Makes a server of the user's own, an HTTP server for instance, listen at `tcp://host:port` or `unix:///path`, and be handed over,
   * too. Rejects with an error that names the address.
   */
  listen(server: Server, address: string): Promise<Listening> {
    return new Promise((resolve, reject) => {
      const bound$ = address.startsWith('unix:')
        ? bindUnix(server, address)
        : defer(() => bindTcp(server, address, parseTcp(address), tcpUrl('tcp', parseTcp(address))))
      const binding = bound$.subscribe({
        next: bound => resolve({ address: bound, close: () => binding.unsubscribe() }),
        error: (error: Error) => {
          const failure = cannotListen(address, error)
          // One that comes later finds the promise settled.
          this.#say('error', failure.message)
          reject(failure)
        },
      })
    })
  }

  /** Starts a new process and hands over to it, as SIGUSR2 does. One at a time: meanwhile it only writes a line to the log. */
  restart(): void {
    if (this.#busy === undefined) this.#restarts.next()
    else this.#say('warn', `no new process is started: ${this.#busy}`)
  }

  /**
   * Says that the program is ready, and serves until SIGINT, SIGTERM or the end of a hand-over; then drains. Another SIGINT or SIGTERM
   * ends the draining. Resolves when all is over; what else the program has open is its own to close then. Rejects, with `servers`
   * closed, where it cannot serve.
   */
  async run(...servers: readonly Stoppable[]): Promise<void> {
    const stops = new Subject<string>()
    const onStop = (signal: string): void => stops.next(signal)
    const onRestart = (): void => this.restart()
    for (const signal of STOP_SIGNALS) process.on(signal, onStop)
    process.on('SIGUSR2', onRestart)
    const closeAll = (options?: { readonly waitMs?: number }): Promise<unknown> =>
      Promise.all(servers.map(server => server.close(options)))
    try {
      const stopped$ = stops.pipe(map(() => 'stopping'))
      const why = await firstValueFrom(merge(stopped$, concat(this.#ready(), this.#handOvers())))
      this.#busy = 'this process is draining'
      const calls = servers.reduce((sum, server) => sum + (server.stats?.().calls ?? 0), 0)
      this.#say('info', `${why}; draining ${calls} ${calls === 1 ? 'call' : 'calls'}`)
      const hurried$ = stops.pipe(
        take(1),
        switchMap(() => closeAll({ waitMs: 0 })),
      )
      await firstValueFrom(merge(from(closeAll()), hurried$))
    } catch (error) {
      await closeAll({ waitMs: 0 })
      throw error
    } finally {
      for (const signal of STOP_SIGNALS) process.off(signal, onStop)
      process.off('SIGUSR2', onRestart)
      this.#pidFile?.remove()
    }
  }

  /** Completes when this process serves: at once, or when the one before it lets it. Emits nothing. */
  #ready(): Observable<never> {
    return defer(() => {
      const before = predecessor()
      this.#pidFile?.stage()
      return (before?.ready() ?? of(undefined)).pipe(
        switchMap(() => Promise.all(openSockets().map(socket => socket.begin()))),
        tap(() => {
          this.#pidFile?.publish()
          before?.serving()
          for (const socket of openSockets()) socket.own()
          renounce()
          this.#busy = undefined
          this.#say('info', `serving as pid ${process.pid}; SIGUSR2 starts a new process in its place`)
        }),
        ignoreElements(),
        finalize(() => before?.leave()),
      )
    })
  }

  /** Emits when another process serves in this one's place. */
  #handOvers(): Observable<string> {
    return this.#restarts.pipe(exhaustMap(() => this.#handOver()))
  }

  #handOver(): Observable<string> {
    return defer(() => {
      this.#busy = 'one is being started'
      const sockets = openSockets()
      return startSuccessor(this.#command, sockets, this.#readyTimeoutMs).pipe(
        tap(pid => {
          this.#busy = `pid ${pid} is being started`
          this.#say('info', `handing over to pid ${pid}`)
        }),
        takeLast(1),
        tap(pid => {
          this.#busy = `pid ${pid} serves in this one's place`
          for (const socket of sockets) socket.giveAway()
        }),
        delayWhen(() => opened(sockets)),
        map(pid => `pid ${pid} is ready`),
      )
    }).pipe(
      catchError((error: Error) => {
        this.#busy = undefined
        this.#say('error', `${error.message}; this one goes on serving`)
        return EMPTY
      }),
    )
  }

  #say(level: ServerLogEntry['level'], message: string): void {
    this.#log({ level, message })
  }
}

/** Emits when what the sockets accepted has become links, or has had the time for it. */
function opened(sockets: readonly ListeningSocket[]): Observable<unknown> {
  const all$ = combineLatest(sockets.map(({ opening$ }) => opening$)).pipe(defaultIfEmpty([]))
  const none$ = all$.pipe(filter(counts => counts.every(count => count === 0)))
  return race(none$, timer(OPENING_MS))
}
