/**
 * The command line: which commands there are, and their exit codes. Each command is a file of its own.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { addCall } from './call.ts'
import { addDashboard } from './dashboard.ts'
import { addDecode } from './decode.ts'
import { reportFailure, USAGE, UsageError } from './failure.ts'
import { addGateway } from './gateway.ts'
import { addPing } from './ping.ts'
import { addServe } from './serve.ts'
import type { Terminal } from './terminal.ts'
import { addWatch } from './watch.ts'

const EXIT_CODES = `
Exit codes: 0 done; 1 a call failed, the server could not listen, or decoded
bytes were broken; 2 the command makes no sense as given.`

/** Runs a command line, without the program's own name, and resolves to its exit code. Never rejects. */
export async function run(words: readonly string[], terminal: Terminal): Promise<number> {
  const program = new Command('razor')
    .description('Serves and calls razor services.')
    .version(version(), '-V, --version', 'print the version')
    .addHelpText('after', EXIT_CODES)
    .exitOverride()
    .configureOutput({
      writeOut: text => terminal.out.write(text),
      writeErr: text => terminal.err.write(text),
      // Told below, like every other failure.
      outputError: () => undefined,
    })
  for (const add of [addServe, addDashboard, addCall, addWatch, addPing, addDecode, addGateway]) add(program, terminal)
  try {
    await program.parseAsync(words, { from: 'user' })
    return 0
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportFailure(terminal, error)
    if (error.exitCode === 0) return 0
    if (error.code === 'commander.help') return USAGE
    const command = program.commands.find(each => each.name() === words[0])
    const shown = command === undefined ? 'razor --help shows the commands' : `razor ${words[0]} --help shows its use`
    const reason = error.message.replace(/^error: /, '').replace(/\.$/, '')
    return reportFailure(terminal, new UsageError(`${reason}; ${shown}`))
  }
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
}
