/**
 * Schemas on items, both ways, of two libraries, at once and by Promises: they run on the server, once for each item.
 */
import assert from 'node:assert/strict'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { lastValueFrom, map, type Observable, of, range, reduce, toArray } from 'rxjs'
import * as v from 'valibot'
import { z } from 'zod'
import { duplex, implement, pacedMap, service, stream, type, upload } from '../../lib/node/index.ts'
import { follow } from '../support/arena.ts'
import { withServer } from '../support/stage.ts'

let checks = 0
const slowText = z
  .string()
  .refine(async text => {
    // The later ones are done sooner: order must not come of it.
    for (let turns = 9 - (Number(text) % 10); turns > 0; turns--) await new Promise(setImmediate)
    return true
  })
  .transform(Number)

const counted: StandardSchemaV1<number, number> = {
  '~standard': {
    version: 1,
    vendor: 'spec',
    validate: value => {
      checks++
      return { value: value as number }
    },
  },
}

const Lab = service('Lab', {
  counted: duplex({ items: counted, output: counted }),
  dates: stream({ input: z.number().int().max(5000), output: z.date().transform(date => date.getTime()) }),
  pulled: stream({ input: z.number(), output: v.pipe(v.number(), v.maxValue(5)) }),
  sum: upload({ items: v.pipe(v.string(), v.transform(Number), v.number()), output: type<number>() }),
  order: upload({ items: slowText, output: type<number[]>() }),
  orderDown: stream({ input: type<number>(), output: slowText }),
  both: duplex({
    items: v.pipe(v.string(), v.decimal(), v.transform(Number)),
    output: z.number().transform(n => `<${n}>`),
  }),
  paced: upload({ items: slowText, output: type<number>(), window: 4 }),
})

let ran = 0
let most = 0
const options = {
  services: [
    implement(Lab, {
      dates: n => {
        ran++
        return range(0, n).pipe(map(i => new Date(i)))
      },
      pulled: function* (n) {
        for (let i = 0; i < n; i++) yield i
      },
      sum: (_, { items$ }) => items$.pipe(reduce((sum, n) => sum + n, 0)),
      counted: (_, { items$ }) => items$,
      order: (_, { items$ }) => items$.pipe(toArray()),
      orderDown: n => range(0, n).pipe(map(String)),
      both: (_, { items$ }) => items$.pipe(map(n => n * 2)),
      paced: (_, { items$ }) => {
        let open = 0
        return items$.pipe(
          pacedMap(
            n =>
              new Promise<number>(resolve => {
                most = Math.max(most, ++open)
                setImmediate(() => {
                  open--
                  resolve(n)
                })
              }),
            2,
          ),
          reduce((sum, n) => sum + n, 0),
        )
      },
    }),
  ],
}
const collect = <T>(items$: Observable<T>): Promise<T[]> => lastValueFrom(items$.pipe(toArray()))
const texts = Array.from({ length: 100 }, (_, n) => String(n))
const numbers = texts.map(Number)

withServer(
  'transforms items on their way, and keeps their order where checking takes time',
  () => ({
    run: async stage => {
      const lab = stage.client().use(Lab)
      assert.deepEqual(await collect(lab.dates(5)), [0, 1, 2, 3, 4])
      assert.equal(await lastValueFrom(lab.sum(undefined, texts)), 4950)
      assert.deepEqual(await collect(lab.both(undefined, of('1', '2'))), ['<2>', '<4>'])
      checks = 0
      assert.deepEqual(await collect(lab.counted(undefined, numbers)), numbers)
      assert.equal(checks, 200)
      assert.deepEqual(await lastValueFrom(lab.order(undefined, texts)), numbers)
      assert.deepEqual(await collect(lab.orderDown(100)), numbers)
      assert.equal(await lastValueFrom(lab.paced(undefined, texts)), 4950)
      assert.equal(most, 2)
    },
  }),
  { options },
)

withServer(
  'fails the one call whose argument or item is refused',
  () => ({
    run: async stage => {
      const lab = stage.client().use(Lab)
      ran = 0
      await follow(lab.dates(6000)).failsWith('rpc_decode', /argument of Lab.dates is refused.*5000/)
      assert.equal(ran, 0)
      await follow(lab.sum(undefined, ['1', 'x', '2'])).failsWith('rpc_decode', /item of Lab.sum is refused/)
      await follow(lab.sum(undefined, [1 as unknown as string])).failsWith('rpc_decode', /item of Lab.sum is refused/)
      await follow(lab.order(undefined, [{} as string])).failsWith('rpc_decode', /item of Lab.order is refused/)
      const both = follow(lab.both(undefined, ['1', 'x', '2']))
      await both.failsWith('rpc_decode', /item of Lab.both is refused/)
      assert.deepEqual(both.values, ['<2>'])
      const pulled = follow(lab.pulled(10))
      await pulled.failsWith('rpc_encode', /./, 'yes')
      assert.deepEqual(pulled.values, [0, 1, 2, 3, 4, 5])
      assert.match(stage.log.at(-1)!.message, /item of Lab.pulled is refused/)
      assert.deepEqual(await collect(lab.pulled(6)), [0, 1, 2, 3, 4, 5])
    },
  }),
  { options },
)
