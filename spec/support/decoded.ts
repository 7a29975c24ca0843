/**
 * What `razor decode` makes of bytes, as a spec sees it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../../lib/cli/run.ts'
import { FakeTerminal } from './fake-terminal.ts'

/** A line of JSON. */
export type Line = Readonly<Record<string, any>>

export interface Decoded {
  readonly code: number
  readonly out: string
  readonly err: string
  readonly lines: readonly Line[]
  /** Those of one event. */
  of(event: string): Line[]
}

/** Runs `razor decode` on a file. */
export async function decodeFile(file: string, ...words: readonly string[]): Promise<Decoded> {
  const terminal = new FakeTerminal()
  const code = await run(['decode', file, ...words], terminal)
  const out = terminal.out.text
  const asText = words.includes('--text') || words.includes('--help')
  const lines: Line[] = asText ? [] : out.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line)]))
  return { code, out, err: terminal.err.text, lines, of: event => lines.filter(line => line['event'] === event) }
}

/** Runs `razor decode` on a file of these bytes. */
export async function decoded(bytes: Uint8Array | string, ...words: readonly string[]): Promise<Decoded> {
  const folder = mkdtempSync(join(tmpdir(), 'razor-decode-'))
  try {
    const file = join(folder, 'bytes')
    writeFileSync(file, bytes)
    return await decodeFile(file, ...words)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
