/**
 * Which frames count as calls and answers, of which 32 leave without waiting for the end of the turn.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { VirtualTimeScheduler } from 'rxjs'
import { writeItem as writeItemUp, writeRequest, writeUp } from '../../lib/client/write.ts'
import { MSGPACK } from '../../lib/codec/msgpack.ts'
import { factsOf } from '../../lib/connect.ts'
import { EMPTY_BYTES } from '../../lib/protocol/heads.ts'
import { DOWN_CREDIT, UP_CREDIT } from '../../lib/protocol/heads-v2.ts'
import { writeAnswer, writeDown, writeErrno, writeErrorBody, writeItem } from '../../lib/server/write.ts'
import { LinkWriter } from '../../lib/transport/writer.ts'
import { RecordingLink } from '../support/recording-link.ts'

const BATCH = 32
const LIMITS = { maxMessageBytes: 1024, maxBlobBytes: 1024 }
const FACTS = factsOf({})
const V2 = { window: 0, msLeft: 1 }

type Write = (writer: LinkWriter, seq: number) => unknown

const COUNTED: Readonly<Record<string, Write>> = {
  'a request of version 1': (writer, seq) =>
    writeRequest(writer, FACTS, seq, { action: 'a.b', input: seq }, undefined, LIMITS, undefined),
  'a request of version 2': (writer, seq) =>
    writeRequest(writer, FACTS, seq, { action: 'a.b', input: seq }, undefined, LIMITS, V2),
  'an answer': (writer, seq) => writeAnswer(writer, MSGPACK, LIMITS, { seq, ver: 2 }, seq),
  'an errno': (writer, seq) => writeErrno(writer, { seq, ver: 2 }, 5),
  'an error': (writer, seq) => writeErrorBody(writer, { seq, ver: 2 }, Uint8Array.of(1)),
}

const OTHERS: Readonly<Record<string, Write>> = {
  'an item of a client': (writer, seq) => writeItemUp(writer, MSGPACK, seq, 1, LIMITS),
  'an item of a server': (writer, seq) => writeItem(writer, MSGPACK, LIMITS, seq, 1, undefined),
  'credit of a client': (writer, seq) => writeUp(writer, UP_CREDIT, 1, seq, 1, EMPTY_BYTES, EMPTY_BYTES),
  'credit of a server': (writer, seq) => writeDown(writer, DOWN_CREDIT, seq, EMPTY_BYTES),
}

/** How many such frames were written before each one after which something left, in one turn. */
function leftAfter(write: Write): number[] {
  const link = new RecordingLink()
  const writer = new LinkWriter(link, { scheduler: new VirtualTimeScheduler() })
  const after: number[] = []
  for (let seq = 1; seq <= 2 * BATCH; seq++) {
    const { length } = link.sends
    write(writer, seq)
    if (link.sends.length > length) after.push(seq)
  }
  writer.destroy()
  return after
}

for (const [what, write] of Object.entries(COUNTED)) {
  it(`${what} counts`, () => assert.deepEqual(leftAfter(write), [BATCH, 2 * BATCH]))
}

for (const [what, write] of Object.entries(OTHERS)) {
  it(`${what} does not count`, () => assert.deepEqual(leftAfter(write), []))
}
