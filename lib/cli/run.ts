/**
 * The command line: which commands there are, and their exit codes. Each command is a file of its own.
 */
import { Command, CommanderError } from 'commander'
import { addCall } from './call.ts'
import { addDashboard } from './dashboard.ts'
import { addDecode } from './decode.ts'
import { reportFailure, USAGE } from './failure.ts'
import { addGateway } from './gateway.ts'
import { addPing } from './ping.ts'
import { addServe } from './serve.ts'
import type { Terminal } from './terminal.ts'
import { addWatch } from './watch.ts'

const EXIT_CODES = `
Exit codes: 0 done, 1 a call failed, the server could not listen, or decoded bytes were broken, 2 the command makes no sense as
given.`

/** Runs a command line, without the program's own name, and resolves to its exit code. Never rejects. */
export async function run(words: readonly string[], terminal: Terminal): Promise<number> {
  const program = new Command('razor')
    .description('Serves and calls razor services.')
    .addHelpText('after', EXIT_CODES)
    .exitOverride()
    .configureOutput({
      writeOut: text => terminal.out.write(text),
      writeErr: text => terminal.err.write(text),
      outputError: (text, write) => write(text.replace(/^error:/, 'razor:')),
    })
  addServe(program, terminal)
  addDashboard(program, terminal)
  addCall(program, terminal)
  addWatch(program, terminal)
  addPing(program, terminal)
  addDecode(program, terminal)
  addGateway(program, terminal)
  try {
    await program.parseAsync(words, { from: 'user' })
    return 0
  } catch (error) {
    // Commander has printed its own.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE
    return reportFailure(terminal, error)
  }
}
