/** `razor call`: one answer as JSON, and failures on one line. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { run } from '../../lib/cli/run.ts'
import { calculator } from '../../lib/cli/services/calculator.ts'
import { RpcServer } from '../../lib/node/index.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { others } from './fixture-services.ts'
import { streams } from './fixture-streams.ts'

const folder = mkdtempSync(join(tmpdir(), 'razor-call-'))
const server = new RpcServer({ services: [calculator, streams, ...others] })
let url = ''

before(async () => {
  url = (await server.listen('tcp://127.0.0.1:0')).address
})
after(async () => {
  await server.close()
  rmSync(folder, { recursive: true })
  await expectNoLeaks()
})

async function razor(words: readonly string[], terminal = new FakeTerminal()) {
  const code = await run(words, terminal)
  return { code, out: terminal.out.text, err: terminal.err.text }
}

const call = (...words: string[]) => razor(['call', url, ...words])

describe('razor call', () => {
  it('prints the answer as one line of JSON, and nothing else', async () => {
    assert.deepEqual(await call('CalculatorService.add', '[1, 2]'), { code: 0, out: '3\n', err: '' })
    assert.equal((await call('Echo.any', '{"a": [true, null, "é"]}')).out, '{"a":[true,null,"é"]}\n')
  })

  it('takes a negative number for an argument, not for an option', async () => {
    assert.equal((await call('CalculatorService.inc', '-5')).out, '-4\n')
  })

  it('sends and prints integers beyond 2^53 exactly', async () => {
    assert.equal(
      (await call('Echo.any', '[18446744073709551615, -9007199254740993]')).out,
      '[18446744073709551615,-9007199254740993]\n',
    )
  })

  it('sends unit without an argument, and prints an answer without a value as null', async () => {
    assert.equal((await call('Echo.any')).out, 'null\n')
  })

  it('sends a file as the blob of a numeric action, and writes the blob of the answer to a file', async () => {
    const [sent, got] = [join(folder, 'sent'), join(folder, 'got')]
    writeFileSync(sent, 'abc')
    assert.deepEqual(await call('77', '"x"', '--blob-file', sent, '--out', got), { code: 0, out: '"x"\n', err: '' })
    assert.equal(readFileSync(got, 'utf8'), 'abcabc')
  })

  it('sends headers', async () => {
    const { out } = await call('Streams.seen', '--header', 'a=b=c', '--header', 'd=')
    assert.deepEqual(JSON.parse(out), { a: 'b=c', d: '' })
  })

  it('notes a blob that nobody keeps', async () => {
    const sent = join(folder, 'noted')
    writeFileSync(sent, 'abc')
    const { out, err } = await call('77', '1', '--blob-file', sent)
    assert.equal(out, '1\n')
    assert.match(err, /blob of 6 bytes.*--out/)
  })

  it('prints the answer and says so where the blob behind it cannot be kept', async () => {
    const { code, out, err } = await call('77', '"x"', '--out', join(folder, 'nowhere', 'got'))
    assert.deepEqual([code, out], [1, '"x"\n'])
    assert.match(err, /^razor: cannot write the blob of 0 bytes to --out .*ENOENT.*; name a file that you may write\n$/)
  })

  it('refuses a blob over the limit without reading all of it', async () => {
    const { code, err } = await call('77', '1', '--blob-file', '/dev/zero')
    assert.equal(code, 2)
    assert.match(err, /^razor: --blob-file \/dev\/zero is over maxBlobBytes 16777216: send it in parts\n$/)
  })

  it('makes a call as often as it is told, one line each', async () => {
    assert.equal((await call('CalculatorService.inc', '1', '--repeat', '3')).out, '2\n2\n2\n')
  })

  it('shows how far it is on a terminal, while the answers go elsewhere', async () => {
    const terminal = new FakeTerminal({ isTerminal: true })
    Object.assign(terminal, { out: new FakeTerminal().out })
    const { out, err } = await razor(['call', url, 'CalculatorService.inc', '1', '--repeat', '3'], terminal)
    assert.equal(out, '2\n2\n2\n')
    assert.match(err, /1 of 3 calls.*3 of 3 calls.*\n$/s)
  })

  it('says code, executed and message of an error, and exits with 1', async () => {
    const { code, out, err } = await call('CalculatorService.div', '[1, 0]')
    assert.equal(code, 1)
    assert.equal(out, '')
    assert.equal(err, 'razor: user, executed yes: CalculatorService.div failed: divide by zero\n')
    assert.match((await call('Nope.x')).err, /^razor: rpc_service_notfound, executed no: /)
    assert.match((await call('CalculatorService.inc', '"x"')).err, /^razor: rpc_decode, executed yes: /)
  })

  it('names an errno, and shows a coded error', async () => {
    assert.match((await call('CalculatorService.io_error')).err, /errno 5 \(EIO\)\n$/)
    const { err } = await call('Echo.coded', '{"NotFound": {"id": 18446744073709551615}}', '--errors', 'coded')
    assert.match(err, /: \{"NotFound":\{"id":18446744073709551615\}\}\n$/)
  })

  it('gives up after its timeout', async () => {
    const { code, err } = await call('CalculatorService.sleep_ms', '1000', '--timeout', '10')
    assert.equal(code, 1)
    assert.match(err, /^razor: rpc_timeout, executed maybe: .* within 10 ms; .* --timeout MS waits longer\n$/)
  })

  it('lets no text of a server steer the terminal', async () => {
    const { err } = await call('Echo.text', JSON.stringify('a\u001b[2J\nb\u009bc'))
    assert.match(err, /failed: a \[2J b c\n$/)
  })

  it('prints errors in colour on a terminal only', async () => {
    const terminal = new FakeTerminal({ isTerminal: true, colour: true })
    assert.ok((await razor(['call', url, 'Nope.x'], terminal)).err.startsWith('\u001b[31mrazor:\u001b[39m '))
    const piped = await razor(['call', url, 'Nope.x'], new FakeTerminal({ colour: true }))
    assert.ok(piped.err.startsWith('razor: '))
  })

  it('says on one line why an address cannot be reached', async () => {
    const refused = await razor(['call', 'tcp://127.0.0.1:1', 'A.b'])
    assert.equal(refused.code, 1)
    assert.match(
      refused.err,
      /^razor: rpc_unreachable, executed no: A\.b: cannot reach tcp:\/\/127\.0\.0\.1:1: .*ECONNREFUSED.*\n$/,
    )
    const malformed = await razor(['call', 'tcp://nowhere', 'A.b'])
    assert.equal(malformed.code, 2)
    assert.match(malformed.err, /^razor: "tcp:\/\/nowhere" is no tcp address: expected tcp:\/\/host:port.*\n$/)
  })

  it('exits with 2, on one line, where the command makes no sense', async () => {
    const commands: readonly [readonly string[], RegExp][] = [
      [['call', 'foo:bar', 'A.b'], /^razor: cannot dial foo:bar: known are tcp:.*\n$/],
      [['call', url, 'A.b', '[1,'], /^razor: the argument is no JSON: .*\n$/],
      [['call', url, '0'], /^razor: a numeric action is an integer from 1 .*\n$/],
      [['call', url, 'A.b', '--timeout', '1s'], /^razor: .*'1s' is invalid.*\n$/],
      [['call', url, 'A.b', '--header', 'a'], /^razor: .*'a' is invalid.*\n$/],
      [['call', url, 'A.b', '--repeat', '0'], /^razor: .*'0' is invalid.*\n$/],
      [['call', url, 'A.b', '--errors', 'no'], /^razor: .*'no' is invalid.*\n$/],
      [['call', url, 'A.b', '--blob-file', join(folder, 'nope')], /^razor: cannot read --blob-file .*ENOENT.*\n$/],
      [['call', url], /^razor: missing required argument 'action'; razor call --help shows its use\n$/],
      [['call', url, 'A.b', '1', '2'], /^razor: too many arguments.*\n$/],
      [['cal', url], /^razor: unknown command 'cal' \(Did you mean call\?\); razor --help shows the commands\n$/],
      [
        ['call', url, 'A.b', '--timeout', '0'],
        /^razor: .*Expected a whole number from 1 to .*; razor call --help .*\n$/,
      ],
    ]
    for (const [words, message] of commands) {
      const { code, out, err } = await razor(words)
      assert.equal(code, 2, words.join(' '))
      assert.equal(out, '')
      assert.match(err, message)
    }
  })

  it('explains itself', async () => {
    const { code, out } = await razor(['call', '--help'])
    assert.equal(code, 0)
    assert.match(out, /--blob-file/)
  })

  it('explains every command in lines of 80 columns, without brackets of code', async () => {
    for (const name of ['serve', 'dashboard', 'call', 'watch', 'ping', 'decode', 'gateway']) {
      const { code, out } = await razor([name, '--help'])
      assert.equal(code, 0)
      for (const line of out.split('\n')) assert.ok(line.length <= 80, `${name}: ${line}`)
      assert.doesNotMatch(out, /\(default: \[/)
    }
  })

  it('says which version it is', async () => {
    const { code, out } = await razor(['--version'])
    assert.deepEqual([code, /^\d+\.\d+\.\d+\S*\n$/.test(out)], [0, true])
  })
})
