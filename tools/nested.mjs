/**
 * Installs what a package inside this repository asks for, from its lock file: `node tools/nested.mjs FOLDER...`. Does nothing where
 * that is there already, so it needs the registry once.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

for (const folder of process.argv.slice(2)) {
  const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8')
  const mark = join(folder, 'node_modules/.installed-lock.json')
  if (existsSync(mark) && readFileSync(mark, 'utf8') === lock) continue
  // The npm that runs this; where none does, the one that a shell finds.
  const npm = process.env.npm_execpath
  const [command, ...first] = npm === undefined ? ['npm'] : [process.execPath, npm]
  const { status, error } = spawnSync(command, [...first, 'ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: folder,
    stdio: 'inherit',
    shell: npm === undefined,
  })
  if (error !== undefined || status !== 0) {
    console.error(`cannot install ${folder}: npm ci ended with ${error?.message ?? `exit code ${status}`}`)
    process.exit(1)
  }
  writeFileSync(mark, lock)
}
