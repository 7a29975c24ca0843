/**
 * The house keeps to its own plan: layers, cycles, Node modules, clocks, and how a file looks. See support/house-rules.ts.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { breaches, PARTS } from './support/house-rules.ts'

const LIB = fileURLToPath(new URL('../lib/', import.meta.url))

function library(): Map<string, string> {
  const paths = readdirSync(LIB, { recursive: true, encoding: 'utf8' }).map(path => path.replaceAll('\\', '/'))
  return new Map(paths.filter(path => path.endsWith('.ts')).map(path => [path, readFileSync(LIB + path, 'utf8')]))
}

/** What is said of made-up files; a text without a doc comment gets one. */
function said(files: Readonly<Record<string, string>>): string[] {
  const documented = Object.entries(files).map(([path, text]) => [path, `/** What it is for. */\n${text}`] as const)
  return breaches(new Map(documented))
}

function refuses(files: Readonly<Record<string, string>>, ...patterns: readonly RegExp[]): void {
  const found = said(files)
  assert.equal(found.length, patterns.length, found.join('\n'))
  patterns.forEach((pattern, at) => {
    assert.match(found[at]!, pattern)
  })
}

describe('the house', () => {
  it('keeps to its plan', () => {
    assert.deepEqual(breaches(library()), [])
  })

  it('has small files: the median is under 120 lines', () => {
    const lines = [...library().values()].map(text => text.split('\n').length).sort((a, b) => a - b)
    assert.ok(lines[lines.length >> 1]! < 120, `the median is ${lines[lines.length >> 1]}`)
  })

  it('has a place in the table for each part that another may import', () => {
    const names = new Set(PARTS.map(part => part.name))
    for (const part of PARTS) {
      for (const other of part.may) assert.ok(names.has(other), `${part.name} may import ${other}, which is no part`)
    }
  })
})

describe('the rules of the house', () => {
  it('pass what keeps to them', () => {
    const files = {
      'error.ts': 'export class RpcError {}',
      'protocol/heads.ts': "import { RpcError } from '../error.ts'\nexport const x = RpcError",
      'transport/link.ts': "import type { Observable } from 'rxjs'\nexport type Link = Observable<number>",
      'client/stream.ts':
        "import type { Link } from '../transport/link.ts'\nexport type S = Link\nexport const d = new Date(0)",
      'node/tcp.ts': "import net from 'node:net'\nimport '../client/stream.ts'\nsetTimeout(net.connect, 1)",
    }
    assert.deepEqual(said(files), [])
  })

  it('refuse an import upwards', () => {
    refuses(
      { 'error.ts': "import './protocol/heads.ts'", 'protocol/heads.ts': 'export {}' },
      /^error\.ts imports protocol\/heads\.ts of protocol: error may import nothing$/,
    )
    refuses({ 'flow/gate.ts': "import '../client/task.ts'", 'client/task.ts': 'export {}' }, /^flow\/gate\.ts/)
    refuses({ 'service/call.ts': "import '../connect.ts'", 'connect.ts': 'export {}' }, /^service\/call\.ts/)
    refuses({ 'node/tcp.ts': "import '../testing/clock.ts'", 'testing/clock.ts': 'export {}' }, /^node\/tcp\.ts/)
    refuses({ 'testing/leaks.ts': "import '../cli/main.ts'", 'cli/main.ts': 'export {}' }, /^testing\/leaks\.ts/)
  })

  it('refuse client and server that name each other', () => {
    refuses({ 'client/a.ts': "import '../server/b.ts'", 'server/b.ts': 'export {}' }, /^client\/a\.ts .* of server/)
    refuses({ 'server/a.ts': "import '../client/b.ts'", 'client/b.ts': 'export {}' }, /^server\/a\.ts .* of client/)
  })

  it('refuse a connection that names a transport or a codec of its own', () => {
    const codec = { 'codec/msgpack.ts': 'export {}' }
    const transport = { 'transport/memory.ts': 'export {}' }
    refuses({ 'client/a.ts': "import '../codec/msgpack.ts'", ...codec }, /^client\/a\.ts .* of MessagePack/)
    refuses({ 'server/a.ts': "import '../transport/memory.ts'", ...transport }, /^server\/a\.ts .* of transports/)
  })

  it('refuse such an import in every form: of a type, a re-export, within a type, at run time', () => {
    const server = { 'server/b.ts': 'export type B = 1' }
    refuses({ 'client/a.ts': "import type { B } from '../server/b.ts'", ...server }, /^client\/a\.ts/)
    refuses({ 'client/a.ts': "export * from '../server/b.ts'", ...server }, /^client\/a\.ts/)
    refuses({ 'client/a.ts': "export type A = import('../server/b.ts').B", ...server }, /^client\/a\.ts/)
    refuses({ 'client/a.ts': "export const a = import('../server/b.ts')", ...server }, /^client\/a\.ts/)
    refuses(
      { 'client/a.ts': 'export const a = (name: string) => import(name)' },
      /^client\/a\.ts imports what only runs/,
    )
  })

  it('refuse a cycle, of types too, and tell the way round', () => {
    refuses(
      {
        'flow/a.ts': "import './b.ts'",
        'flow/b.ts': "import type { C } from './c.ts'",
        'flow/c.ts': "import './a.ts'\nexport type C = 1",
        'flow/d.ts': "import './a.ts'",
      },
      /^a cycle of imports: flow\/a\.ts -> flow\/b\.ts -> flow\/c\.ts -> flow\/a\.ts$/,
    )
  })

  it('refuse a module of Node outside node/ and cli/, and a package where it has no business', () => {
    refuses({ 'flow/a.ts': "import 'node:events'" }, /^flow\/a\.ts imports node:events: flow runs in browsers$/)
    refuses({ 'testing/a.ts': "import 'node:assert'" }, /^testing\/a\.ts/)
    refuses({ 'protocol/a.ts': "import 'rxjs'" }, /^protocol\/a\.ts imports rxjs: protocol may import no package$/)
    refuses({ 'codec/json.ts': "import 'msgpackr'" }, /^codec\/json\.ts/)
    refuses({ 'node/tcp.ts': "import 'ws'" }, /^node\/tcp\.ts/)
    refuses({ 'client/a.ts': "import 'events'" }, /^client\/a\.ts imports events/)
    assert.deepEqual(said({ 'service/a.ts': "import 'rxjs/testing'\nimport '@standard-schema/spec'" }), [])
  })

  it('refuse an import of a file that is not there', () => {
    refuses({ 'flow/a.ts': "import './b.js'" }, /^flow\/a\.ts imports \.\/b\.js, which is no file of lib$/)
  })

  it('refuse each clock and timer that is used by hand', () => {
    const clocks = ['setTimeout(f, 1)', 'setInterval(f, 1)', 'setImmediate(f)', 'queueMicrotask(f)', 'Date.now()']
    clocks.push(
      'performance.now()',
      'new Date()',
      'new Date',
      'Date()',
      'globalThis.setTimeout(f)',
      'globalThis.Date.now()',
    )
    for (const text of clocks) refuses({ 'flow/a.ts': `export const a = ${text}` }, /^flow\/a\.ts uses .* \(line 2\)/)
    refuses({ 'server/a.ts': 'export const later = setTimeout' }, /^server\/a\.ts uses setTimeout by hand/)
    refuses({ 'testing/a.ts': 'export const later = setTimeout' }, /^testing\/a\.ts/)
    for (const path of ['transport/memory.ts', 'node/a.ts', 'cli/a.ts']) {
      assert.deepEqual(said({ [path]: clocks.join('\n') }), [])
    }
  })

  it('take a clock in a comment or a text for what it is', () => {
    assert.deepEqual(said({ 'flow/a.ts': "// not setTimeout\nexport const a = 'Date.now()'" }), [])
  })

  it('refuse default exports, enums and long files', () => {
    refuses({ 'flow/a.ts': 'export default 1' }, /^flow\/a\.ts has a default export/)
    refuses({ 'flow/a.ts': 'export default class A {}' }, /^flow\/a\.ts has a default export/)
    refuses({ 'flow/a.ts': 'const a = 1\nexport { a as default }' }, /^flow\/a\.ts has a default export/)
    refuses({ 'flow/a.ts': 'export enum A { B }' }, /^flow\/a\.ts has an enum \(line 2\)/)
    refuses({ 'flow/a.ts': 'export const enum A { B }' }, /^flow\/a\.ts has an enum/)
    assert.deepEqual(said({ 'flow/a.ts': 'switch (1) { default: }' }), [])
    refuses({ 'flow/a.ts': '\n'.repeat(250) }, /^flow\/a\.ts has 251 lines, over 250/)
    assert.deepEqual(said({ 'flow/a.ts': '\n'.repeat(249) }), [])
  })

  it('refuse a name that says nothing, and a file that does not say what it is for', () => {
    refuses({ 'flow/utils.ts': '' }, /^flow\/utils\.ts has a name that says nothing$/)
    refuses({ 'flow/call-helpers.ts': '' }, /has a name that says nothing$/)
    assert.deepEqual(breaches(new Map([['flow/a.ts', 'export const a = 1\n']])), [
      'flow/a.ts does not open with what it is for',
    ])
    assert.deepEqual(breaches(new Map([['cli/main.ts', '#!/usr/bin/env node\n/** Runs. */\n']])), [])
  })

  it('refuse a file that belongs to no part', () => {
    refuses({ 'extras/a.ts': '' }, /^extras\/a\.ts belongs to no part/)
  })
})
