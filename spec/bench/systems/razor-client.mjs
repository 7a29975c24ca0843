/**
 * `razor ws` and `razor tcp`, the client: typed calls with everything on. Two options differ from the defaults, so that the
 * same is compared: one connection, as the other systems have, and a window that lets 1,000 calls be in flight.
 */
import { connect } from '../../../dist/node/index.js'
import { observableLoop } from '../observable-loop.mjs'
import { BLOB } from '../requests.mjs'
import { runClient } from '../worker.mjs'
import { Bench } from './razor-contract.mjs'

runClient(async address => {
  const client = connect(address, { maxConnections: 1, thresholds: 1000 })
  const bench = client.use(Bench)
  return {
    loads: {
      unary: options => observableLoop(body => bench.unary(body), options),
      blob: options => observableLoop(body => bench.blob(body, { blob: BLOB }), options),
    },
    close: () => client.close(),
  }
})
