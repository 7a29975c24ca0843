/**
 * Bundles the dashboard's page: one script, one style sheet, and what is taken as it is.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const PAGE = 'lib/cli/dashboard/page'

/** Whose code the script and the style contain besides ours; their licences want to be told. */
const BUNDLED = ['msgpackr', 'rxjs', 'tslib', 'uplot']

/** Puts the page into `folder`. */
export async function buildDashboard(folder) {
  mkdirSync(folder, { recursive: true })
  await build({
    entryPoints: { page: join(PAGE, 'main.ts'), style: join(PAGE, 'page.css') },
    bundle: true,
    outdir: folder,
    entryNames: 'page',
    format: 'esm',
    platform: 'browser',
    target: ['es2022', 'chrome123', 'firefox120', 'safari17.5'],
    minify: true,
    legalComments: 'none',
    logLevel: 'error',
    // The same without `new Function`, which the page's policy forbids; the codec never gets there.
    alias: { msgpackr: 'msgpackr/index-no-eval' },
  })
  for (const file of ['index.html', 'icon.svg']) copyFileSync(join(PAGE, file), join(folder, file))
  writeFileSync(join(folder, 'licences.txt'), BUNDLED.map(licence).join('\n'))
}

function licence(name) {
  const folder = join('node_modules', name)
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find(each => /^licen[cs]e/i.test(each))
  return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8')}`
}
