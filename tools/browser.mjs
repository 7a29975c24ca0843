/**
 * Is the main entry fit for browsers? Bundles it as a page would, looks for modules of Node, runs a server and a client of it
 * where there is nothing of Node, and weighs what a page pays for what it imports. Needs dist/.
 */
import { createContext, Script } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

/**
 * What a page pays for what it imports, in bytes, minified and compressed, without RxJS and the codec: more fails. A client is
 * meant to come down to 12 kB; until then its limit is what it weighs, and a little.
 */
const WEIGHTS = [
  ['RpcError', 600],
  ['pacedMap', 500],
  ['service, unary', 700],
  ['resubscribe', 2_000],
  ['ClientStream, webSocketDialer', 20_000],
  ['connect, service, unary', 27_200],
]

/** All that the bundle finds outside the language itself: what browsers and Node have in common. */
const WEB = {
  AbortController,
  AbortSignal,
  clearInterval,
  clearTimeout,
  setInterval,
  setTimeout,
  TextDecoder,
  TextEncoder,
  URL,
}

const PROGRAM = `
  import { firstValueFrom } from 'rxjs'
  import { connect, implement, RpcError, RpcServer, service, unary } from './dist/index.js'
  const Calculator = service('Calculator', {
    div: unary(),
    echo: unary({ blob: 'both' }),
    never: unary(),
  })
  export async function run() {
    const server = new RpcServer({ services: [implement(Calculator, {
      div: ([a, b], { fail }) => { if (b === 0) throw fail('divide by zero'); return a / b },
      echo: (value, { blob }) => ({ value, blob }),
      never: () => new Promise(() => {}),
    })] })
    await server.listen('memory:page')
    const client = connect('memory:page')
    const calculator = client.use(Calculator)
    const failure = call => firstValueFrom(call).then(() => 'no error', error => RpcError.from(error))
    const { value, blob } = await firstValueFrom(calculator.echo(2n ** 60n, { blob: new Uint8Array([1, 2, 3]) }))
    const found = {
      div: await firstValueFrom(calculator.div([9, 2])),
      error: (await failure(calculator.div([1, 0]))).value,
      value: String(value),
      blob: [...blob].join(),
      late: (await failure(calculator.never(undefined, { timeoutMs: 1 }))).code,
    }
    await Promise.all([client.close({ waitMs: 0 }), server.close({ waitMs: 0 })])
    return JSON.stringify(found)
  }`
const EXPECTED = { div: 4.5, error: 'divide by zero', value: String(2n ** 60n), blob: '1,2,3', late: 'rpc_timeout' }

function bundle(contents, options) {
  return build({
    stdin: { contents, resolveDir: process.cwd() },
    bundle: true,
    write: false,
    platform: 'browser',
    target: 'es2022',
    logLevel: 'error',
    metafile: true,
    ...options,
  })
}

/** Minified and compressed bytes of what `contents` pulls in of the library alone. */
async function weigh(contents, external) {
  const { outputFiles } = await bundle(contents, { format: 'esm', minify: true, external })
  return gzipSync(outputFiles[0].contents, { level: 9 }).length
}

function fail(message) {
  console.error(message)
  process.exitCode = 1
}

const { metafile, outputFiles } = await bundle(PROGRAM, { format: 'iife', globalName: 'page' })
// A module of Node has failed the bundling already.
for (const path of Object.keys(metafile.inputs)) {
  if (/(^|\/)dist\/(node|cli)\//.test(path)) fail(`the main entry pulls in ${path}`)
}

const context = createContext({ ...WEB })
new Script(`${outputFiles[0].text}\nglobalThis.page = page`, { filename: 'page.js' }).runInContext(context)
const found = JSON.parse(await context.page.run())
if (JSON.stringify(found) !== JSON.stringify(EXPECTED)) {
  fail(`without Node's globals the bundle gave ${JSON.stringify(found)}, not ${JSON.stringify(EXPECTED)}`)
}

const kB = bytes => `${(bytes / 1000).toFixed(1)} kB`
const weights = []
for (const [names, most] of WEIGHTS) {
  const bytes = await weigh(`export { ${names} } from './dist/index.js'`, ['rxjs', './codec/*'])
  weights.push(`${names}: ${kB(bytes)}`)
  if (bytes > most) fail(`import { ${names} } weighs ${kB(bytes)} without RxJS and the codec, over ${kB(most)}`)
}
console.log(`minified and compressed, without RxJS and the codec: ${weights.join('; ')}`)
