/**
 * `razor dashboard`: a live page about this machine, and about what calls do when a consumer is slow or a connection breaks.
 */
import { spawn } from 'node:child_process'
import type { Command } from 'commander'
import { firstValueFrom } from 'rxjs'
import { Dashboard, type DashboardOptions } from './dashboard/dashboard.ts'
import { UsageError } from './failure.ts'
import { wholeNumber } from './options.ts'
import { rootFolder } from './services/confined.ts'
import { coloured, plainLine, type Terminal } from './terminal.ts'

interface DashboardCommandOptions {
  readonly port: number
  readonly files?: string
  readonly open?: true
}

/** The next one after those of `serve`. */
const DEFAULT_PORT = 19752

const HELP = `
One process, one port on loopback: the page, and two servers for it to call and
to fail over between. Only pages that it has served itself, and programs of this
machine, may connect. Whoever can reach the port can see this machine's figures
and the files of the folder.`

/** Adds the command to `program`. */
export function addDashboard(program: Command, terminal: Terminal): void {
  program
    .command('dashboard')
    .description('Show this machine, slow consumers and broken connections on a live page, until SIGINT or SIGTERM.')
    .option('--port <n>', 'the port on 127.0.0.1; 0 takes a free one', wholeNumber(0, 65_535), DEFAULT_PORT)
    .option('--files <dir>', 'where uploads and the log go (default: a folder that goes when this ends)')
    .option('--open', 'open the page in the browser')
    .addHelpText('after', HELP)
    .action((options: DashboardCommandOptions) => show(terminal, options))
}

async function show(terminal: Terminal, { port, files, open }: DashboardCommandOptions): Promise<void> {
  const failed = (error: unknown): void => {
    const text = error instanceof Error ? error.message : String(error)
    terminal.err.write(`${coloured(terminal, terminal.err, 'gray', 'error')} ${plainLine(text)}\n`)
  }
  const { out, err, program, signals$ } = terminal
  const folder = folderOf(files)
  // Heard from here on, so that one that comes at once leaves nothing behind either.
  const signalled = firstValueFrom(signals$)
  const dashboard = await opened({ port, folder, failed })
  const [address = ''] = dashboard.addresses
  out.write(`the dashboard is at ${coloured(terminal, out, 'cyan', dashboard.url)}\n`)
  out.write(`serving ${dashboard.addresses.join(' and ')}\n`)
  out.write(`files are in ${dashboard.folder}\n`)
  out.write('\nTry, in another terminal here:\n')
  out.write(`  ${coloured(terminal, out, 'bold', `${program} watch ${address} Host.metrics '{"everyMs": 1000}'`)}\n`)
  out.write('\nCtrl-C stops it.\n')
  if (open === true) openInBrowser(dashboard.url, failed)
  await signalled
  err.write('\nstopping\n')
  await dashboard.close()
}

function folderOf(files: string | undefined): string | undefined {
  if (files === undefined) return undefined
  try {
    return rootFolder(files)
  } catch (error) {
    throw new UsageError(`cannot keep --files ${files}: ${(error as Error).message}; name a folder that is there`)
  }
}

async function opened(options: DashboardOptions): Promise<Dashboard> {
  try {
    return await Dashboard.open(options)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') {
      throw new Error(
        `port ${options.port} of 127.0.0.1 is taken: stop what runs there, or choose another with --port N`,
      )
    }
    if (code === 'EACCES') throw new Error(`${message}: choose a port from 1024 on with --port N`)
    throw error
  }
}

/** What opens a URL, by platform. */
const OPENERS: Readonly<Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>>> = {
  darwin: ['open'],
  win32: ['cmd', '/c', 'start', ''],
}

function openInBrowser(url: string, failed: (error: unknown) => void): void {
  const [command, ...words] = OPENERS[process.platform] ?? ['xdg-open']
  const child = spawn(command, [...words, url], { stdio: 'ignore', detached: true })
  child.on('error', error => failed(new Error(`cannot open a browser (${error.message}): open ${url} yourself`)))
  child.unref()
}
