/**
 * Does the package work for those who install it? Packs it, judges the tarball with publint and attw, then lays its files into a
 * project of their own and there checks the type specs with three compilers and two ways to resolve, checking declaration
 * files too, and imports each entry. Needs dist/.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'

const COMPILERS = ['typescript', 'ts60', 'ts59']
/** What the project has besides the package: what the package asks for, and what its specs use. */
const EXTRA = ['valibot', 'zod', '@types/node', 'tslib']

const { dependencies, peerDependencies, exports } = JSON.parse(readFileSync('package.json', 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'razor-consumer-'))
let failed = false

/** Runs a command; what it says is shown only where it fails. Gives its output. */
function run(title, command, args, cwd = '.') {
  return new Promise(done => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], shell: command === 'npm' })
    let output = ''
    let complaints = ''
    child.stdout.setEncoding('utf8').on('data', text => {
      output += text
    })
    child.stderr.setEncoding('utf8').on('data', text => {
      complaints += text
    })
    child.on('error', error => {
      complaints += error.message
    })
    child.on('close', code => {
      console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${title}`)
      if (code !== 0) {
        failed = true
        console.log(output + complaints)
      }
      done(output)
    })
  })
}

function node(title, args, cwd) {
  return run(title, process.execPath, args, cwd)
}

/** The npm that runs this; where none does, the one that a shell finds. */
function npm(title, args) {
  const cli = process.env.npm_execpath
  return cli === undefined ? run(title, 'npm', args) : node(title, [cli, ...args])
}

function install(name) {
  const place = join(folder, 'node_modules', name)
  mkdirSync(dirname(place), { recursive: true })
  symlinkSync(resolve('node_modules', name), place, 'junction')
}

/** Lays the files of an npm tarball into `place`: each has a header of 512 bytes, and fills up to a multiple of that. */
function unpack(tarball, place) {
  const bytes = gunzipSync(readFileSync(tarball))
  const text = (from, length) => bytes.toString('utf8', from, from + length).replace(/\0.*$/s, '')
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8)
    const path = join(place, join(text(at + 345, 155), text(at, 100)).replace(/^package[\\/]/, ''))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes.subarray(at + 512, at + 512 + size))
    at += 512 + Math.ceil(size / 512) * 512
  }
}

async function compile(compiler, resolution, base) {
  const config = `tsconfig.${resolution}.json`
  await node(`${compiler}, ${resolution}`, [resolve('node_modules', compiler, 'bin/tsc'), '-p', config], base)
}

try {
  const packed = await npm('npm pack', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder])
  const [{ filename }] = Object.values(JSON.parse(packed))
  const tarball = join(folder, filename)
  await node('publint', ['node_modules/publint/src/cli.js', 'run', tarball, '--strict'])
  const attw = 'node_modules/@arethetypeswrong/cli/dist/index.js'
  await node('attw', [attw, tarball, '--profile', 'esm-only', '--no-emoji'])

  unpack(tarball, join(folder, 'node_modules/razor-rx'))
  const needed = new Set([...Object.keys(dependencies), ...Object.keys(peerDependencies), ...EXTRA])
  for (const name of needed) if (name !== 'bufferutil') install(name)

  mkdirSync(join(folder, 'types'))
  for (const name of readdirSync('spec/types')) {
    const text = readFileSync(join('spec/types', name), 'utf8')
    const renamed = text
      .replaceAll('../../lib/node/index.ts', 'razor-rx/node')
      .replaceAll('../../lib/index.ts', 'razor-rx')
    writeFileSync(join(folder, 'types', name), renamed)
  }
  const options = {
    target: 'ES2022',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    allowImportingTsExtensions: true,
    skipLibCheck: false,
    noEmit: true,
    lib: ['ES2022', 'DOM', 'DOM.Iterable'],
  }
  const configs = {
    nodenext: { compilerOptions: { ...options, module: 'NodeNext', types: ['node'] }, include: ['types'] },
    // A page: no type of Node at all.
    bundler: {
      compilerOptions: { ...options, module: 'ESNext', moduleResolution: 'bundler', types: [] },
      include: ['types'],
      exclude: ['types/node.spec-d.ts'],
    },
  }
  for (const [name, config] of Object.entries(configs)) {
    writeFileSync(join(folder, `tsconfig.${name}.json`), JSON.stringify(config))
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', private: true }))
  for (const compiler of COMPILERS) {
    await Promise.all(Object.keys(configs).map(resolution => compile(compiler, resolution, folder)))
  }

  const entries = Object.keys(exports).filter(entry => entry !== './package.json')
  const names = entries.map(entry => entry.replace(/^\./, 'razor-rx'))
  const imports = names.map(name => `import * as _${names.indexOf(name)} from '${name}'`)
  const check = `if (${names.map((_, at) => `Object.keys(_${at}).length === 0`).join(' || ')}) throw new Error('an empty entry')`
  await node(`import ${names.join(', ')}`, ['--input-type=module', '-e', [...imports, check].join('\n')], folder)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = failed ? 1 : 0
