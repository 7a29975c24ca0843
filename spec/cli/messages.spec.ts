/** What `razor call`, `watch` and `ping` say when they fail: what happened, and what to do. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createWeb } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { nextStep } from '../../lib/cli/advice.ts'
import { run } from '../../lib/cli/run.ts'
import { calculator } from '../../lib/cli/services/calculator.ts'
import { RPC_CODES, RpcError, UserError } from '../../lib/error.ts'
import { RpcServer } from '../../lib/node/index.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { streams } from './fixture-streams.ts'

const services = [calculator, streams]
const ours = new RpcServer({ services })
const old = new RpcServer({ services, version: 1 })
const wary = new RpcServer({
  services,
  authenticate: () => {
    throw new Error('nobody')
  },
})
const sockets = new Set<Socket>()
const silent = createServer(socket => void sockets.add(socket))
const rude = createServer(socket => socket.destroy())
const newer = createServer(socket => {
  const head = Buffer.alloc(20)
  head.writeUInt16LE(19_749)
  head[2] = 9
  socket.on('data', () => socket.write(head)).on('error', () => undefined)
})
const web = createWeb((_, answer) => answer.end('hello'))
const at = { tcp: '', ws: '', old: '', wary: '', silent: '', rude: '', newer: '', web: '' }

async function port(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

before(async () => {
  const anywhere = 'tcp://127.0.0.1:0'
  at.tcp = (await ours.listen(anywhere)).address
  at.ws = (await ours.listen('ws://127.0.0.1:0/rpc')).address
  at.old = (await old.listen(anywhere)).address
  at.wary = (await wary.listen(anywhere)).address
  at.silent = `tcp://${await port(silent)}`
  at.rude = `tcp://${await port(rude)}`
  at.newer = `tcp://${await port(newer)}`
  at.web = await port(web)
})
after(async () => {
  for (const socket of sockets) socket.destroy()
  for (const server of [silent, rude, newer, web]) server.close()
  for (const server of [ours, old, wary]) await server.close({ waitMs: 0 })
  await expectNoLeaks()
})

async function says(words: readonly string[], code: number, message: RegExp): Promise<void> {
  const terminal = new FakeTerminal()
  assert.equal(await run(words, terminal), code, words.join(' '))
  assert.equal(terminal.out.text, '')
  assert.match(terminal.err.text, message)
  assert.match(terminal.err.text, /^razor: [^\n]*\n$/, 'it is one line')
}

describe('razor call, watch and ping say what happened and what to do', () => {
  it('where the address is none: it shows how one looks, and nothing was dialled', async () => {
    for (const command of [['call'], ['watch'], ['ping']]) {
      const action = command[0] === 'ping' ? [] : ['A.b']
      await says([...command, 'nowhere', ...action], 2, /cannot dial nowhere: known are tcp:\/\/host:port, unix:/)
      await says([...command, 'http://a:1', ...action], 2, /cannot dial http:.* ws:\/\/host:port\/path and wss:/)
      await says(
        [...command, 'tcp://a', ...action],
        2,
        /"tcp:\/\/a" is no tcp address: .*; give the address that the server prints/,
      )
      await says([...command, 'tcp://a:0', ...action], 2, /tcp:\/\/a:0: port 0 is for listening; give the address/)
      await says([...command, 'unix://a', ...action], 2, /expected unix:\/\/\/absolute\/path; give the address/)
      await says(
        [...command, 'ws://', ...action],
        2,
        /"ws:\/\/" is no WebSocket address: expected ws:.*; give the address/,
      )
    }
  })

  it('where nobody listens, or nobody of that name is known', async () => {
    const start =
      /; no server listens (there|at that path): start it \(razor serve is one to try\), or compare the address/
    for (const url of ['tcp://127.0.0.1:1', 'ws://127.0.0.1:1/x', 'unix:///nowhere/at/all']) {
      await says(['call', url, 'A.b'], 1, start)
      await says(['watch', url, 'A.b'], 1, start)
      await says(['ping', url], 1, start)
    }
    await says(['call', 'tcp://nobody.invalid:1', 'A.b'], 1, /; no such host is known: mend its name$/m)
  })

  it('where something else listens, or the path is another', async () => {
    const other = /; something else than a razor server answers there, or tcp:\/\/ and ws:\/\/ are mixed up: compare/
    await says(['call', `tcp://${at.web}`, 'A.b'], 1, other)
    await says(['watch', `ws://${at.web}/`, 'A.b'], 1, other)
    await says(['call', at.ws.replace(/^ws(.*)\/rpc$/, 'tcp$1'), 'A.b'], 1, other)
    await says(['call', at.tcp.replace('tcp', 'ws'), 'A.b'], 1, other)
    await says(['call', at.ws.replace('/rpc', '/other'), 'A.b'], 1, /404; no razor server has that path: mend the path/)
    await says(['call', at.rude, 'A.b'], 1, /; it hung up: /)
    await says(['call', at.rude.replace('tcp', 'ws'), 'A.b'], 1, /; it hung up: /)
    await says(['ping', `tcp://${at.web}`], 1, other)
    await says(['ping', at.rude], 1, /; it hung up: /)
    const versions =
      /version 9, this end speaks 1 and 2; the two ends speak different protocols: compare their versions$/m
    await says(['call', at.newer, 'A.b'], 1, versions)
    await says(['ping', at.newer], 1, versions)
  })

  it('where nothing comes from there', async () => {
    const stuck = /within 60 ms; nothing came from there in time: see that a razor server runs there/
    await says(['call', at.silent, 'A.b', '--timeout', '60'], 1, stuck)
    await says(['watch', at.silent, 'A.b', '--timeout', '60'], 1, stuck)
    await says(['ping', at.silent, '--timeout', '60'], 1, stuck)
  })

  it('where the method is not there, or another argument is due', async () => {
    const look = /; the server prints what it serves when it starts; upper and lower case count$/m
    await says(
      ['call', at.tcp, 'Nope.x'],
      1,
      /^razor: rpc_service_notfound, executed no: Nope\.x: no service Nope; the/,
    )
    for (const action of ['Nope.x', 'CalculatorService.nope', 'nodot', '77']) {
      await says(['call', at.tcp, action], 1, look)
      await says(['watch', at.tcp, action], 1, look)
    }
    await says(
      ['call', at.tcp, 'CalculatorService.add', '"x"'],
      1,
      /expected \[i32, i32\]; give the argument in the form/,
    )
  })

  it('where the argument is no JSON: how it is quoted', async () => {
    const quoted =
      /the argument is no JSON: .*; in quotes for the shell it is '\{"a": 1\}', '\[1, 2\]', a text as '"text"'$/m
    await says(['call', at.tcp, 'A.b', '{a: 1}'], 2, quoted)
    await says(['watch', at.tcp, 'A.b', 'text'], 2, quoted)
  })

  it('where the other command is meant, or the server speaks version 1', async () => {
    await says(['call', at.tcp, 'Streams.numbers'], 1, /is of kind stream, .*; use razor watch$/m)
    await says(['watch', at.tcp, 'CalculatorService.inc', '1'], 1, /is of kind unary, .*; use razor call$/m)
    await says(['watch', at.tcp, 'Streams.both'], 1, /; it takes items, which only a client of your own can send$/m)
    await says(
      ['watch', at.old, 'Streams.numbers'],
      1,
      /speaks version 1; on version 1 there are only single answers: use/,
    )
    await says(
      ['call', at.old, 'Streams.numbers'],
      1,
      /; on version 1 there are only single answers: use razor call for/,
    )
    const headed = ['call', at.old, 'CalculatorService.inc', '1', '--header', 'a=b']
    await says(headed, 1, /headers need version 2 .*; leave --header out$/m)
  })

  it('where it takes too long, or the server wants to know who calls', async () => {
    const longer = /within 20 ms; the handler may have run; --timeout MS waits longer$/m
    await says(['call', at.tcp, 'CalculatorService.sleep_ms', '1000', '--timeout', '20'], 1, longer)
    await says(['watch', at.tcp, 'Streams.never', '--timeout', '20'], 1, longer)
    await says(['call', at.wary, 'A.b'], 1, /rpc_unauthenticated; it wants a token, .* connect\(url, \{ token \}\)$/m)
  })

  it('where the server goes in mid-stream, in order or not', async () => {
    const other = new RpcServer({ services })
    const { address } = await other.listen('tcp://127.0.0.1:0')
    const stopped = new FakeTerminal()
    const code = run(['watch', address, 'Streams.numbers', '--window', '1'], stopped)
    await stopped.out.until(/^0\n/)
    await other.close({ waitMs: 0, graceMs: 0 })
    assert.equal(await code, 1)
    assert.match(stopped.err.text, /; (the server has ended it: try again, |the server is stopping: try again ).*\n$/)

    const far = new Set<Socket>()
    const proxy = createServer(near => {
      const { hostname, port } = new URL(at.tcp)
      const behind = near.pipe(new (near.constructor as typeof Socket)().connect(Number(port), hostname))
      for (const end of [near, behind]) far.add(end.on('error', () => undefined))
      behind.pipe(near)
    })
    const dropped = new FakeTerminal()
    const lost = run(['watch', `tcp://${await port(proxy)}`, 'Streams.numbers', '--window', '1'], dropped)
    await dropped.out.until(/^0\n/)
    for (const end of far) end.destroy()
    proxy.close()
    assert.equal(await lost, 1)
    assert.match(
      dropped.err.text,
      /^razor: rpc_io_err, executed yes: .*; the connection broke: see that the server still runs/,
    )
  })

  it('for every code of the library, and for no answer of a handler', () => {
    for (const code of RPC_CODES) {
      if (code === 'rpc_resume_lost') continue
      assert.equal(typeof nextStep(new RpcError(code, 'it failed')), 'string', code)
    }
    assert.equal(nextStep(new UserError('why', 'A.b failed: why')), undefined)
  })
})
