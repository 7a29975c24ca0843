/**
 * The package as a project of somebody else's has it: built into a folder of its own under `node_modules/razor-rx`, beside what it
 * depends on. So a spec neither needs `dist/` nor races with who builds it.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('../../', import.meta.url))
const compiler = join(repository, 'node_modules/typescript/bin/tsc')

/** A project with the package in it. */
export interface Project {
  readonly folder: string
  /** The `razor` command. */
  readonly razor: string
  remove(): void
}

/** Makes a project with `folders` of the repository copied into it. */
export function projectWith(...folders: readonly string[]): Project {
  const folder = mkdtempSync(join(tmpdir(), 'razor-project-'))
  const own = join(folder, 'node_modules/razor-rx')
  mkdirSync(own, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  cpSync(join(repository, 'package.json'), join(own, 'package.json'))
  compile(repository, '-p', 'tsconfig.node.json', '--outDir', join(own, 'dist'))
  const { dependencies } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
  for (const name of [...Object.keys(dependencies), 'rxjs', 'systeminformation', '@types/node']) {
    mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true })
    symlinkSync(join(repository, 'node_modules', name), join(folder, 'node_modules', name))
  }
  const isSource = (path: string): boolean => basename(path) !== 'node_modules'
  for (const name of folders) cpSync(join(repository, name), join(folder, name), { recursive: true, filter: isSource })
  return {
    folder,
    razor: join(own, 'dist/cli/main.js'),
    remove: () => rmSync(folder, { recursive: true }),
  }
}

/** Runs the TypeScript compiler in `folder`; throws what it says where it finds something. */
export function compile(folder: string, ...words: readonly string[]): void {
  const { status, stdout } = spawnSync(process.execPath, [compiler, ...words], { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(`tsc ${words.join(' ')}:\n${stdout}`)
}
