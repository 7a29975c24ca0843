/** `razor decode`: frames, credit and stalls of captures, dumps and hex text, whatever is wrong with them. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { EMPTY } from 'rxjs'
import { Decoder } from '../../lib/cli/decode/decoder.ts'
import type { DecodeEvent } from '../../lib/cli/decode/events.ts'
import { run } from '../../lib/cli/run.ts'
import type { Terminal } from '../../lib/cli/terminal.ts'
import { msgpack } from '../../lib/codec/msgpack.ts'
import { capture, ended, fileHead, opened, record, stopped, wentDown, wentUp } from '../support/capture-bytes.ts'
import { decoded, decodeFile, type Line } from '../support/decoded.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'
import { concat, toHex } from '../support/hex.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { liveBufferBytes } from '../support/memory-use.ts'
import { request, response } from '../support/raw-frames.ts'
import * as v2 from '../support/v2-frames.ts'
import { vectors } from '../support/vectors.ts'

const folder = mkdtempSync(join(tmpdir(), 'razor-decode-spec-'))
const MIB = 1024 * 1024

after(async () => {
  rmSync(folder, { recursive: true })
  await expectNoLeaks()
})

/** A stream of window 2 whose consumer takes its time: it stands without credit twice, for 3 ms and for 1 ms. */
const STREAM = capture(
  opened(1),
  wentUp(1, 1000, v2.offer()),
  wentDown(1, 2000, v2.pong()),
  wentUp(1, 3000, concat([v2.upHello({ token: 'hush' }), v2.upRequest(2, { action: 'S.count', window: 2 })])),
  wentDown(1, 4000, concat([v2.downHello(), v2.downNext(2, 'a'), v2.downNext(2, { n: 1 })])),
  wentUp(1, 7000, v2.upCredit(2, 2, 1)),
  wentDown(1, 8000, v2.downNext(2, new Uint8Array(10))),
  wentUp(1, 9000, v2.upCredit(2, 2, 3)),
  wentDown(1, 10_000, v2.downDone(2)),
  ended(1, 11_000),
)

/** Two fields of each frame. */
const frames = (lines: readonly Line[]): unknown[] =>
  lines.filter(line => line['event'] === 'frame').map(({ direction, text }) => `${direction} ${text}`)

describe('razor decode of a capture', () => {
  it('prints a line of JSON a frame to a pipe, with time, direction, name, sizes, message and credit', async () => {
    const { code, err, lines, of } = await decoded(STREAM)
    assert.deepEqual([code, err], [0, ''])
    assert.deepEqual(lines[0], { event: 'capture', began: '2020-01-01T00:00:00.000Z' })
    assert.deepEqual(frames(lines), [
      'up offer 1 of version 2',
      'down pong 1 of version 2',
      'up HELLO',
      'up REQUEST 2 S.count window=2',
      'down HELLO',
      'down NEXT 2',
      'down NEXT 2',
      'up CREDIT 2 +2@1',
      'down NEXT 2',
      'up CREDIT 2 +2@3',
      'down DONE 2',
    ])
    assert.deepEqual(of('frame')[6], {
      event: 'frame',
      at: 4,
      connection: 1,
      direction: 'down',
      offset: v2.pong().length + v2.downHello().length + v2.downNext(2, 'a').length,
      frame: 'NEXT',
      version: 2,
      seq: 2,
      action: 'S.count',
      text: 'NEXT 2',
      bytes: 24,
      messageBytes: 4,
      message: { n: 1 },
      cost: 1,
      credit: 0,
    })
    assert.deepEqual(
      of('frame').map(({ credit }) => credit),
      [undefined, undefined, undefined, undefined, undefined, 1, 0, 1, 0, 2, undefined],
    )
    assert.equal(of('frame')[8]!['blobBytes'], 10)
  })

  it('tells of each call what went each way, how it ended, how long it took, and how long it stood without credit', async () => {
    const { of } = await decoded(STREAM)
    assert.deepEqual(of('call'), [
      {
        event: 'call',
        connection: 1,
        seq: 2,
        action: 'S.count',
        shape: 'stream',
        at: 3,
        ms: 7,
        up: { items: 0, bytes: v2.upRequest(2, { action: 'S.count', window: 2 }).length + 64 },
        down: { items: 3, bytes: 22 + 24 + 30 + 20, withoutCredit: { times: 2, ms: 4 } },
        ended: 'DONE',
      },
    ])
    assert.deepEqual(of('total'), [
      { event: 'total', connections: 1, frames: 11, bytes: STREAM.length, calls: 1, broken: 0 },
    ])
  })

  it('takes a sender that has nothing more to send for none that stood without credit', async () => {
    const bytes = capture(
      wentUp(1, 0, v2.upRequest(2, { window: 1 })),
      wentDown(1, 10, v2.downNext(2, 1)),
      wentDown(1, 5000, v2.downDone(2)),
    )
    assert.deepEqual((await decoded(bytes)).of('call')[0]!['down'], { items: 1, bytes: 41 })
  })

  it('counts the time before the first credit of an upload, and what each item costs', async () => {
    const bytes = capture(
      wentUp(1, 0, v2.upRequest(2, { open: true })),
      wentDown(1, 2500, v2.downCredit(2, 4, 0)),
      wentUp(1, 3000, v2.upNext(2, new Uint8Array(40_000))),
      wentUp(1, 3500, v2.upComplete(2)),
      wentDown(1, 4000, v2.downDone(2, v2.pack(7))),
    )
    const { of } = await decoded(bytes)
    assert.deepEqual(of('call')[0]!['up'], {
      items: 1,
      bytes: v2.upRequest(2, { open: true }).length + 32 + 40_000 + 32,
      withoutCredit: { times: 1, ms: 2.5 },
    })
    assert.deepEqual(
      of('frame').map(({ cost, credit }) => [cost, credit]),
      [
        [undefined, undefined],
        [undefined, 4],
        [3, 1],
        [undefined, undefined],
        [undefined, undefined],
      ],
    )
  })

  it('says where an item was sent without credit, and that a large blob is not needed to know its cost', async () => {
    const bytes = capture(
      wentUp(1, 0, v2.upRequest(2, { window: 5 })),
      wentDown(1, 1, v2.downNext(2, new Uint8Array(5 * 16_384))),
      wentDown(1, 2, v2.downNext(2, 1)),
    )
    const { of } = await decoded(bytes)
    assert.deepEqual(
      of('frame').map(({ cost, credit, problem }) => [cost, credit, problem]),
      [
        [undefined, undefined, undefined],
        [5, 0, undefined],
        [1, -1, 'sent without credit'],
      ],
    )
  })

  it('tells how calls ended: errors, errnos, cancels, lost connections, captures that end before them', async () => {
    const calls = [2, 3, 4, 5, 6].map(seq => v2.upRequest(seq, { window: seq === 4 ? 1 : 0 }))
    const bytes = capture(
      wentUp(1, 0, concat(calls)),
      wentDown(1, 1000, concat([v2.downError(2, 'no'), response({ ver: 2, flag: 1, seq: 3, msgBytes: 13 })])),
      wentUp(1, 2000, v2.upCancel(4)),
      wentDown(1, 3000, v2.downError(4, 'rpc_canceled: gone')),
      wentUp(2, 3500, v2.upRequest(9)),
      ended(1, 4000, 'lost'),
      stopped(5000, 'the disk was full'),
    )
    const { code, of } = await decoded(bytes)
    assert.equal(code, 0)
    assert.deepEqual(
      of('call').map(({ connection, seq, ended, ms, canceled }) => [connection, seq, ended, ms, canceled]),
      [
        [1, 2, 'ERROR no', 1, undefined],
        [1, 3, 'ERRNO 13', 1, undefined],
        [1, 4, 'ERROR rpc_canceled: gone', 3, true],
        [1, 5, 'no end: the connection was over', 4, undefined],
        [1, 6, 'no end: the connection was over', 4, undefined],
        [2, 9, 'no end in this capture', 1.5, undefined],
      ],
    )
    assert.deepEqual(of('note')[0]!['note'], 'the recording stopped here: the disk was full')
  })

  it('shows one connection, and one call, where it is told to', async () => {
    const bytes = capture(
      opened(1),
      opened(2),
      wentUp(1, 1, concat([request({ seq: 1 }), request({ seq: 2 })])),
      wentUp(2, 2, concat([request({ seq: 1 }), Uint8Array.of(1, 2, 3)])),
    )
    const one = await decoded(bytes, '--connection', '1')
    assert.equal(one.code, 0)
    assert.deepEqual(new Set(one.lines.map(({ connection }) => connection)), new Set([undefined, 1]))
    const call = await decoded(bytes, '--connection', '1', '--call', '2')
    assert.deepEqual(
      call.lines.filter(({ event }) => event === 'frame' || event === 'call').map(({ event, seq }) => [event, seq]),
      [
        ['frame', 2],
        ['call', 2],
      ],
    )
  })

  it('gives the same lines, however its bytes are cut', async () => {
    const events = (cuts: readonly number[]): DecodeEvent[] => {
      const seen: DecodeEvent[] = []
      const style = { codec: msgpack(), full: false, showSecrets: false }
      const decoder = new Decoder({ style, emit: event => seen.push(event) })
      let from = 0
      for (const to of [...cuts, STREAM.length]) {
        decoder.push(STREAM.slice(from, to))
        from = to
      }
      decoder.end()
      return seen
    }
    const whole = events([])
    assert.deepEqual(events(Array.from({ length: STREAM.length - 1 }, (_, at) => at + 1)), whole)
    const cuts = fc.uniqueArray(fc.nat({ max: STREAM.length }), { maxLength: 8 })
    fc.assert(fc.property(cuts, at => assert.deepEqual(events([...at].sort((a, b) => a - b)), whole)))
  })

  it('masks tokens, and texts that are named like a secret, unless it is told not to', async () => {
    const bytes = capture(
      wentUp(1, 0, concat([v2.offer(), v2.upHello({ token: 'hush', meta: { who: 'me', 'x-api-key': 'hush' } })])),
      wentUp(1, 1, concat([v2.upHeaders(2, { Authorization: 'hush', trace: 'abc' }), v2.upRequest(2)])),
    )
    for (const words of [[], ['--text'], ['--full']]) {
      const { out } = await decoded(bytes, ...words)
      assert.doesNotMatch(out, /hush/)
      assert.match(out, /"who":"me".*"Authorization":"\*\*\*","trace":"abc"/s)
    }
    assert.match((await decoded(bytes, '--show-secrets')).out, /"token":"hush"/)
    const damaged = capture(wentUp(1, 0, v2.up(7, { msg: Buffer.from('\xa4hushhush', 'latin1') })))
    assert.doesNotMatch((await decoded(damaged)).out, /hush/)
    assert.match((await decoded(STREAM, '--help')).out, /shown\sas \*\*\*\. The file itself has them/)
  })

  it('cuts long messages, and shows them whole where it is told to', async () => {
    const text = 'x'.repeat(70_000)
    const bytes = capture(
      wentUp(1, 0, v2.upRequest(2, { msg: v2.pack('y'.repeat(500)) })),
      wentUp(1, 1, v2.upRequest(3, { msg: v2.pack(text) })),
      wentUp(1, 2, v2.upRequest(4, { msg: v2.pack(2n ** 64n - 1n) })),
      wentUp(1, 3, v2.upRequest(5, { msg: Uint8Array.of(0xc1, 0xff) })),
    )
    const [long, longer, exact, broken] = (await decoded(bytes)).of('frame')
    assert.equal(long!['messageBeginning'], `"${'y'.repeat(159)}`)
    assert.equal(longer!['messageProblem'], '70005 bytes, shown with --full')
    assert.match((await decoded(bytes)).out, /"message":18446744073709551615,/)
    assert.equal(exact!['messageBytes'], 9)
    assert.match(broken!['messageProblem'], /0xc1.*begins with c1 ff$/)
    assert.equal((await decoded(bytes, '--full')).of('frame')[1]!['message'], text)
  })

  it('prints lines for people to a terminal, in colour, with a summary, and nothing that steers it', async () => {
    const file = join(folder, 'stream')
    writeFileSync(file, STREAM)
    const terminal = new FakeTerminal({ isTerminal: true, colour: true })
    assert.equal(await run(['decode', file], terminal), 0)
    assert.ok(terminal.out.text.includes('\u001b[36mREQUEST 2 S.count window=2\u001b[39m'))
    const { out } = await decoded(STREAM, '--text')
    assert.match(out, /^ {7}4\.000 #1 <- NEXT 2 {2}24 B {2}credit 0 {2}\{"n":1\}$/m)
    assert.match(out, /^ {7}8\.000 #1 <- NEXT 2 {2}30 B, blob 10 B {2}credit 0$/m)
    assert.match(
      out,
      /^ {2}#1 2 S\.count \(stream\): up 104 B, down 3 items 96 B; DONE after 7\.000 ms; down without credit 2 times, 4\.000 ms in all$/m,
    )
    assert.match(out, /\n1 connection, 11 frames, 1 call, \d+ bytes read\n$/)
    const steering = capture(
      wentUp(1, 0, v2.upRequest(2, { action: 'A.\u001b[2J\n' })),
      wentDown(1, 1, v2.downError(2, 'a\u001b[2Jb')),
    )
    assert.ok(!(await decoded(steering, '--text')).out.includes('\u001b'))
  })

  it('reads frames of a codec that it is told of', async () => {
    const bytes = capture(wentUp(1, 0, v2.upRequest(2, { msg: Buffer.from('{"a":1}') })))
    assert.deepEqual((await decoded(bytes, '--codec', 'json')).of('frame')[0]!['message'], { a: 1 })
  })
})

describe('razor decode of broken captures', () => {
  it('says where something is no frame and what was expected, and goes on with the rest', async () => {
    const bytes = capture(
      wentUp(1, 1, concat([request({ seq: 1 }), Buffer.from('GET / HTTP/1.1')])),
      wentUp(2, 2, request({ seq: 1 })),
      wentUp(1, 3, request({ seq: 2 })),
      wentDown(1, 4, response({ seq: 1 })),
      wentDown(2, 5, response({ seq: 1, flag: 9 })),
      wentUp(2, 6, request({ seq: 2 })),
    )
    const { code, err, of } = await decoded(bytes)
    assert.equal(code, 1)
    assert.match(err, /^razor: .* is broken in 2 places: see "broken" above; .*\n$/)
    const [first, second] = of('broken')
    assert.deepEqual(
      [first!['connection'], first!['direction'], first!['offset']],
      [1, 'up', request({ seq: 1 }).length],
    )
    assert.match(first!['problem'], /starts with 0x4547, not with the magic 0x4d25; a frame was expected to begin here/)
    assert.match(second!['problem'], /unknown flag 9/)
    assert.deepEqual(
      of('frame').map(({ connection, direction, seq }) => [connection, direction, seq]),
      [
        [1, 'up', 1],
        [2, 'up', 1],
        [1, 'down', 1],
        [2, 'up', 2],
      ],
    )
  })

  it('takes half a frame for a fault where its sender has finished, else for what was cut off', async () => {
    const half = v2.upRequest(2).slice(0, 20)
    const fault = await decoded(capture(wentUp(1, 0, half), ended(1, 1, 'finished')))
    assert.equal(fault.code, 1)
    assert.match(fault.of('broken')[0]!['problem'], /ends within a frame: there are 20 of its 32 bytes/)
    for (const cut of [capture(wentUp(1, 0, half), ended(1, 1, 'destroyed')), capture(wentUp(1, 0, half))]) {
      const { code, of } = await decoded(cut)
      assert.equal(code, 0)
      assert.match(of('note')[0]!['note'], /ends within a frame/)
    }
  })

  it('says where a file is cut, wherever that is, and shows what came before', async () => {
    const borders = new Set<number>()
    let at = fileHead().length
    while (at < STREAM.length) {
      borders.add(at)
      at += 20 + new DataView(STREAM.buffer, at).getUint32(16, true)
    }
    for (let length = 1; length < STREAM.length; length += 7) {
      const seen: DecodeEvent[] = []
      const style = { codec: msgpack(), full: false, showSecrets: false }
      const decoder = new Decoder({ style, direction: undefined, emit: event => seen.push(event) })
      decoder.push(STREAM.slice(0, length))
      decoder.end()
      assert.equal(decoder.broken, borders.has(length) ? 0 : 1, `cut at ${length}`)
    }
    const { code, of } = await decoded(STREAM.slice(0, -5))
    assert.equal(code, 1)
    assert.match(
      of('broken')[0]!['problem'],
      /^the file is cut: it ends at byte \d+, within a record's body, 5 bytes early$/,
    )
    assert.equal(of('frame').length, 11)
  })

  it('passes over records that it does not know, and refuses what no recorder writes', async () => {
    const unknown = record(99, 1, 0, Uint8Array.of(1, 2, 3))
    assert.equal((await decoded(capture(unknown, wentUp(1, 1, request())))).of('frame').length, 1)
    const refused: readonly [Uint8Array, RegExp][] = [
      [concat([fileHead(2)]), /version 2 of the format, and this program reads 1/],
      [capture(new Uint8Array(20)), /at byte 24 stands kind 0/],
      [capture(record(1, 1, 0, Buffer.from('no json'))), /at byte 44 the facts of a record of kind 1 are no JSON/],
      [capture(record(1, 1, 0, new Uint8Array(70_000))), /claims 70000 bytes, at most 65536/],
      [new Uint8Array(0), /it is empty/],
      [Buffer.from('GET / HTTP/1.1'), /begins with 47 45 54 .*: no capture .*, no frames .* and no hex digits/],
    ]
    for (const [bytes, problem] of refused) {
      const { code, err, of } = await decoded(bytes)
      assert.equal(code, 1)
      assert.match(of('broken')[0]!['problem'], problem)
      assert.match(
        err,
        /^razor: \S+ has nothing that can be decoded: see "broken" above; name what --record wrote, .*\n$/,
      )
    }
  })

  it('tells a capture from what only begins like one, however it is cut', () => {
    for (const length of [1, 100]) {
      const seen: DecodeEvent[] = []
      const style = { codec: msgpack(), full: false, showSecrets: false }
      const decoder = new Decoder({ style, emit: event => seen.push(event) })
      const bytes = Buffer.from('razor is the name of this, and no capture')
      for (let at = 0; at < bytes.length; at += length) decoder.push(bytes.subarray(at, at + length))
      decoder.end()
      assert.match((seen[0] as Line)['problem'], /razorcap/)
      assert.equal(decoder.broken, 1)
    }
  })

  it('survives whatever bytes a capture has', () => {
    const kinds = fc.integer({ min: 0, max: 6 })
    const body = fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constant(v2.upRequest(3)), fc.constant(v2.downDone(3)))
    const records = fc.array(fc.tuple(kinds, fc.nat({ max: 3 }), body), { maxLength: 20 })
    fc.assert(
      fc.property(records, parts => {
        const totals: DecodeEvent[] = []
        const emit = (event: DecodeEvent): void => void (event.event === 'total' && totals.push(event))
        const decoder = new Decoder({ style: { codec: msgpack(), full: true, showSecrets: false }, emit })
        decoder.push(capture(...parts.map(([kind, connection, bytes]) => record(kind, connection, 0, bytes))))
        decoder.end()
        assert.equal(totals.length, 1)
      }),
    )
  })
})

describe('razor decode of one direction', () => {
  it('finds the direction of each recorded frame of the Rust crates, as bytes and as hex', async () => {
    for (const { name, request, response } of vectors) {
      for (const [bytes, direction] of [[request, 'up'] as const, [response, 'down'] as const]) {
        for (const input of [bytes, toHex(bytes)]) {
          const { code, of } = await decoded(input)
          assert.equal(code, 0, name)
          assert.deepEqual(
            of('frame').map(frame => [frame['direction'], frame['version'], frame['bytes']]),
            [[direction, 1, bytes.length]],
            name,
          )
        }
      }
    }
  })

  it('reads all recorded requests in a row, with their actions and arguments', async () => {
    const { code, of } = await decoded(concat(vectors.map(({ request }) => request)))
    assert.equal(code, 0)
    assert.equal(of('frame').length, vectors.length)
    const [inc] = of('frame')
    assert.deepEqual(
      [inc!['frame'], inc!['action'], inc!['message'], inc!['offset']],
      ['REQUEST', 'CalculatorService.inc', 0, 0],
    )
    // Nothing is known of answers, and so nothing of credit, time or ends.
    assert.deepEqual(
      new Set(of('frame').map(({ credit, at, problem }) => credit ?? at ?? problem)),
      new Set([undefined]),
    )
    assert.equal(of('call').at(-1)!['ended'], 'no end in these bytes')
  })

  it('says of items without their credits nothing that it cannot know', async () => {
    const bytes = concat([v2.upRequest(2, { open: true }), v2.upNext(2, 1), v2.upNext(2, 2)])
    const { out, of } = await decoded(bytes)
    assert.doesNotMatch(out, /without credit/)
    assert.deepEqual(of('call')[0]!['up'], { items: 2, bytes: bytes.length })
  })

  it('tolerates white space, commas and 0x in hex, and says where it is none', async () => {
    const hex = toHex(v2.upRequest(2))
    const spread = hex.replace(/../g, pair => `0x${pair.toUpperCase()},\n\t `)
    assert.deepEqual(frames((await decoded(spread)).lines), ['up REQUEST 2 S.echo'])
    const bad = await decoded(`${hex} 25 4z`)
    assert.equal(bad.code, 1)
    assert.match(bad.of('broken')[0]!['problem'], /^"z" at \d+, where hex digits/)
    assert.match((await decoded(`${hex}2`)).of('broken').at(-1)!['problem'], /half a byte/)
  })

  it('asks for the direction where it cannot be seen, and takes it', async () => {
    const few = Uint8Array.of(0x25, 0x4d, 1)
    const { code, err } = await decoded(few)
    assert.equal(code, 2)
    assert.match(err, /^razor: .* could go either way; say which with --direction up \(client to server\) or down\n$/)
    const told = await decoded(few, '--direction', 'up')
    assert.equal(told.code, 1)
    assert.match(told.of('broken')[0]!['problem'], /ends within a frame: there are 3 of its 32 bytes/)
    assert.match((await decoded(response({ seq: 1 }), '--direction', 'up')).of('broken')[0]!['problem'], /20 of its 32/)
  })

  it('finds the direction of a dump that is cut, or goes on with something else', async () => {
    const cut = concat([v2.upRequest(2), v2.upRequest(3).slice(0, 15)])
    assert.equal((await decoded(cut)).of('frame')[0]!['direction'], 'up')
    const noise = concat([v2.downNext(2, 1), v2.downNext(2, 2), Buffer.from('noise, and no frame at all')])
    const { code, of } = await decoded(noise)
    assert.equal(code, 1)
    assert.deepEqual([of('frame').length, of('broken')[0]!['direction'], of('broken')[0]!['offset']], [2, 'down', 42])
  })
})

describe('razor decode of what is large', () => {
  it('decodes 100 MiB with flat memory: small calls, large items, and calls that never end', {
    timeout: 120_000,
  }, async () => {
    const file = join(folder, 'large')
    await writeLarge(file)
    let lines = 0
    let last = ''
    let most = 0
    const before = liveBufferBytes()
    const heapBefore = process.memoryUsage().heapUsed
    let heapMost = 0
    let written = 0
    let forgotten = 0
    const terminal: Terminal = Object.assign(new FakeTerminal(), {
      out: {
        isTerminal: false,
        write: (text: string) => {
          lines += text.split('\n').length - 1
          last = text
          forgotten += text.split('no end among 10000 further calls').length - 1
          if (++written % 100 !== 0) return
          most = Math.max(most, liveBufferBytes())
          heapMost = Math.max(heapMost, process.memoryUsage().heapUsed)
        },
        drained: () => EMPTY,
      },
    })
    assert.equal(await run(['decode', file], terminal), 0)
    const total = JSON.parse(last.trimEnd().split('\n').at(-1)!)
    assert.ok(total.bytes > 100 * MIB)
    assert.ok(lines > total.frames + total.calls)
    assert.ok(forgotten >= 10_000, `${forgotten} calls were forgotten`)
    assert.ok(most - before < 24 * MIB, `${(most - before) / MIB} MiB of buffers`)
    assert.ok(heapMost - heapBefore < 64 * MIB, `${(heapMost - heapBefore) / MIB} MiB of heap`)
  })

  it('reads no further than its reader takes', async () => {
    const file = join(folder, 'some')
    writeFileSync(file, capture(...Array.from({ length: 20_000 }, (_, at) => wentUp(1, at, request({ seq: at + 1 })))))
    const terminal = new FakeTerminal()
    let pieces = 0
    let most = 0
    const slow = Object.assign(Object.create(terminal.out), {
      write: (text: string) => {
        pieces++
        most = Math.max(most, text.length)
      },
    })
    assert.equal(await run(['decode', file], Object.assign(terminal, { out: slow })), 0)
    assert.ok(pieces > 10, `${pieces} pieces`)
    assert.ok(most < 4 * MIB, `${most} characters at once`)
  })
})

describe('razor decode of stdin', () => {
  it('shows frames while more are to come, and the summary at Ctrl-C', { timeout: 60_000 }, async () => {
    const here = fileURLToPath(new URL('../../', import.meta.url))
    const child = spawn(process.execPath, ['--import', 'tsx', 'lib/cli/main.ts', 'decode', '-'], { cwd: here })
    let out = ''
    const came = async (pattern: RegExp): Promise<void> => {
      while (!pattern.test(out)) {
        const [text] = await once(child.stdout, 'data')
        out += text
      }
    }
    child.stdin.write(STREAM.slice(0, -60))
    await came(/"text":"CREDIT 2 \+2@3"/)
    const exit = once(child, 'exit')
    child.kill('SIGINT')
    await came(/"event":"total"/)
    assert.match(out, /"event":"call".*"ended":"no end in this capture"/)
    // That it ends within a record is nobody's fault.
    assert.deepEqual(await exit, [0, null])
    child.stdin.destroy()
  })
})

describe('razor decode of nothing', () => {
  it('says what to do about a file that cannot be read', async () => {
    const missing = await decodeFile(join(folder, 'nope'))
    assert.equal(missing.code, 2)
    assert.match(missing.err, /^razor: cannot read .*ENOENT.*; name a file that is there .*\n$/)
    assert.match((await decodeFile(folder)).err, /EISDIR/)
    const both = await decodeFile(join(folder, 'nope'), '--json', '--text')
    assert.equal(both.code, 2)
    assert.equal((await decodeFile(join(folder, 'nope'), '--direction', 'left')).code, 2)
  })
})

/** 90 MiB of items of 4 MiB, 10 MiB of calls that are answered, and some that are not. */
async function writeLarge(file: string): Promise<void> {
  const out = createWriteStream(file)
  const write = async (bytes: Uint8Array): Promise<void> => {
    if (!out.write(bytes)) await once(out, 'drain')
  }
  await write(fileHead())
  let seq = 1
  for (let at = 0; at < 60; at++) {
    const parts: Uint8Array[] = []
    for (let call = 0; call < 1000; call++) {
      parts.push(wentUp(1, at, request({ seq: seq++, action: 'S.m' })))
      if (call % 2 === 0) parts.push(wentDown(1, at, response({ seq: seq - 1 })))
    }
    await write(concat(parts))
  }
  await write(wentUp(2, 60, v2.upRequest(2, { window: 1000 })))
  for (let at = 0; at < 24; at++) await write(wentDown(2, 61, v2.downNext(2, new Uint8Array(4 * MIB))))
  await new Promise<void>(resolve => out.end(() => resolve()))
}
