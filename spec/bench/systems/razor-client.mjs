/**
 * `razor ws` and `razor tcp`, the client: typed calls with everything on, subscribed to one by one, as the other systems' calls are
 * made; a `mergeMap` with a window around them would be measured with them (about 1 to 2 us a call). One option differs from the defaults, so that the
 * same is compared: a window that lets 1,000 calls be in flight.
 */
import { firstValueFrom } from 'rxjs'
import { connect } from '../../../dist/node/index.js'
import { callbackLoop } from '../callback-loop.mjs'
import { fanOutLoop, SUBSCRIBERS, streamLoop } from '../item-loops.mjs'
import { BLOB, request } from '../requests.mjs'
import { runClient } from '../worker.mjs'
import { Bench } from './razor-contract.mjs'

/** A call as the loop wants it: `done(error, answer)` once. */
function subscribeTo(method) {
  return (body, done) => method(body).subscribe({ next: answer => done(undefined, answer), error: done })
}

runClient(async address => {
  const client = connect(address, { thresholds: 1000 })
  const bench = client.use(Bench)
  let subscribers = []

  const feed = {
    subscribe: async (index, take, fail) => {
      const its = subscribers[index].use(Bench)
      const subscription = its.feed().subscribe({ next: take, error: fail })
      // Requests of one connection are taken in order: when this one is answered, the one before it is subscribed.
      await firstValueFrom(its.unary(request(0)))
      return () => subscription.unsubscribe()
    },
    start: burst => firstValueFrom(bench.start(burst)),
    taken: count => firstValueFrom(bench.taken(count)),
    stop: () => firstValueFrom(bench.stop()),
  }

  return {
    loads: {
      unary: options => callbackLoop(subscribeTo(bench.unary), options),
      blob: options =>
        callbackLoop(
          subscribeTo(body => bench.blob(body, { blob: BLOB })),
          options,
        ),
      stream: options =>
        streamLoop((take, fail) => {
          const subscription = bench.items().subscribe({ next: take, error: fail })
          return () => subscription.unsubscribe()
        }, options),
      'fan-out': options => {
        if (subscribers.length === 0) {
          subscribers = Array.from({ length: SUBSCRIBERS }, () => connect(address))
        }
        return fanOutLoop(feed, options)
      },
    },
    close: () => Promise.all([client, ...subscribers].map(each => each.close())),
  }
})
