/**
 * `--record FILE`, of every command that has connections.
 */
import type { Command } from 'commander'
import type { Terminal } from '../terminal.ts'
import { Recorder } from './recorder.ts'

/** What {@link addRecord} adds. */
export interface RecordOptions {
  readonly record?: string
}

/** Adds the option to `command`. */
export function addRecord(command: Command): Command {
  return command.option(
    '--record <file>',
    'keep all bytes of the connections in a new file, for razor decode; tokens too, so it is readable for you only',
  )
}

/** Runs `use` with a recorder where a file was named; when it is over everything is in the file. */
export async function recording<T>(
  terminal: Terminal,
  { record }: RecordOptions,
  use: (recorder: Recorder | undefined) => Promise<T>,
): Promise<T> {
  if (record === undefined) return use(undefined)
  const recorder = new Recorder(record, terminal)
  try {
    return await use(recorder)
  } finally {
    await recorder.close()
  }
}
