/** `razor watch`: a stream as lines of JSON, held by a reader that lags behind. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { firstValueFrom, ignoreElements, Subject, take } from 'rxjs'
import { run } from '../../lib/cli/run.ts'
import { calculator } from '../../lib/cli/services/calculator.ts'
import { type Client, connect, RpcServer } from '../../lib/node/index.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { streams } from './fixture-streams.ts'

const server = new RpcServer({ services: [calculator, streams] })
let url = ''
let client: Client

before(async () => {
  url = (await server.listen('tcp://127.0.0.1:0')).address
  client = connect(url)
})
after(async () => {
  await client.close()
  await server.close()
  await expectNoLeaks()
})

async function watch(...words: string[]) {
  const terminal = new FakeTerminal()
  const code = await run(['watch', url, ...words], terminal)
  return { code, out: terminal.out.text, err: terminal.err.text }
}

async function sums(): Promise<{ given: number; running: number }> {
  return (await firstValueFrom(client.call({ action: 'Streams.sum' }))).value as { given: number; running: number }
}
const idle = () => firstValueFrom(client.call({ action: 'Streams.idle' }))

describe('razor watch', () => {
  it('prints each item on a line of its own, and ends with the stream', async () => {
    assert.deepEqual(await watch('Streams.values', '[1, "a\\nb", null, [2], {"c": 18446744073709551615}]'), {
      code: 0,
      out: '1\n"a\\nb"\nnull\n[2]\n{"c":18446744073709551615}\n',
      err: '',
    })
    assert.deepEqual(await watch('Streams.values', '[]'), { code: 0, out: '', err: '' })
  })

  it('prints bytes as call does', async () => {
    const { out } = await watch('Streams.values', '[{"$bytes": "AP8H"}, {"a": {"$bytes": "AP8H"}}, {"$bytes": ""}]')
    assert.equal(out, '{"$bytes":"AP8H"}\n{"a":{"$bytes":"AP8H"}}\n{"$bytes":""}\n')
  })

  it('ends after as many items as it is told, and the handler with it', async () => {
    assert.deepEqual(await watch('Streams.numbers', '--take', '3'), { code: 0, out: '0\n1\n2\n', err: '' })
    await idle()
  })

  it('sends headers', async () => {
    const { out } = await watch('Streams.headers', '--header', 'a=b=c', '--header', 'd=')
    assert.deepEqual(JSON.parse(out), { a: 'b=c', d: '' })
  })

  it('ends at a signal: the handler is torn down, and the exit code is 0', async () => {
    const terminal = new FakeTerminal()
    const code = run(['watch', url, 'Streams.numbers', '--window', '4'], terminal)
    await terminal.out.until(/\n10\n/)
    terminal.signals$.next('SIGINT')
    assert.equal(await code, 0)
    assert.equal(terminal.err.text, '')
    assert.equal(terminal.endings, 1)
    await idle()
  })

  it('ends at a signal also before anything came', async () => {
    const terminal = new FakeTerminal()
    const code = run(['watch', url, 'Streams.never'], terminal)
    while ((await sums()).running === 0);
    terminal.signals$.next('SIGTERM')
    assert.equal(await code, 0)
    await idle()
  })

  it('holds the handler while the reader has not taken the line before', async () => {
    const terminal = new FakeTerminal()
    const taken$ = new Subject<never>()
    const before = (await sums()).given
    terminal.out.behind = taken$
    const code = run(['watch', url, 'Streams.numbers', '--window', '4', '--take', '10'], terminal)
    await terminal.out.until(/^0\n/)
    // Round trips: whatever would still come has come.
    for (let trips = 0; trips < 10; trips++) assert.ok((await sums()).given - before <= 4)
    assert.equal(terminal.out.text, '0\n')
    terminal.out.behind = new Subject<void>().pipe(take(0), ignoreElements())
    taken$.complete()
    assert.equal(await code, 0)
    assert.equal(terminal.out.text, '0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n')
  })

  it('says code, executed and message of an error, behind the items before it', async () => {
    assert.deepEqual(await watch('Streams.fails', '"why"'), {
      code: 1,
      out: '1\n',
      err: 'razor: user, executed yes: Streams.fails failed: why\n',
    })
    const coded = await watch('Streams.coded', '{"a": 1}', '--errors', 'coded')
    assert.match(coded.err, /: \{"a":1\}\n$/)
    assert.match((await watch('Nope.x')).err, /^razor: rpc_service_notfound, executed no: /)
  })

  it('says that an action is no stream', async () => {
    const { code, err } = await watch('CalculatorService.inc', '1')
    assert.equal(code, 1)
    assert.match(
      err,
      /^razor: rpc_unsupported, .*CalculatorService\.inc is of kind unary, and was called as stream; use razor call\n$/,
    )
  })

  it('waits as long as it takes, or for its timeout', async () => {
    const { code, err } = await watch('Streams.never', '--timeout', '60')
    assert.equal(code, 1)
    assert.match(err, /^razor: rpc_timeout, .* within 60 ms; .*\n$/)
    await idle()
  })

  it('exits with 1 where the connection is lost', async () => {
    const other = new RpcServer({ services: [streams] })
    const { address } = await other.listen('tcp://127.0.0.1:0')
    const terminal = new FakeTerminal()
    const code = run(['watch', address, 'Streams.numbers', '--window', '1'], terminal)
    await terminal.out.until(/^0\n/)
    await other.close({ waitMs: 0, graceMs: 0 })
    assert.equal(await code, 1)
    assert.match(terminal.err.text, /^razor: rpc_/)
  })

  it('exits with 2, on one line, where the command makes no sense', async () => {
    const commands: readonly [readonly string[], RegExp][] = [
      [['A.b', '[1,'], /^razor: the argument is no JSON: .*\n$/],
      [['0'], /^razor: a numeric action is an integer from 1 .*\n$/],
      [['A.b', '--take', '0'], /^razor: .*'0' is invalid.*\n$/],
      [['A.b', '--window', '4097'], /^razor: .*'4097' is invalid.*\n$/],
      [['A.b', '--timeout', '1s'], /^razor: .*'1s' is invalid.*\n$/],
      [['A.b', '--header', 'a'], /^razor: .*'a' is invalid. Expected key=value; razor watch --help .*\n$/],
      [['A.b', '--header', '=a'], /^razor: .*'=a' is invalid. Expected key=value; razor watch --help .*\n$/],
      [[], /^razor: missing required argument 'action'; razor watch --help shows its use\n$/],
    ]
    for (const [words, message] of commands) {
      const { code, out, err } = await watch(...words)
      assert.equal(code, 2, words.join(' '))
      assert.equal(out, '')
      assert.match(err, message)
    }
  })
})
