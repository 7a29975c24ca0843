/**
 * A worker's half of the protocol between harness and workers, over the channel of `fork`. The harness sends
 * `{ command, options }`, one at a time, and gets `{ result }` or `{ error }`:
 *
 * - server: `start` -> its address; `cpu` -> CPU so far in us; `stop`
 * - client: `start` (the address) -> the kinds of load it offers; `measure` -> one result; `stop`
 *
 * Warming up is a short `measure` whose result is thrown away. A worker ends when the channel closes.
 */

/** `start()` resolves with `{ address, close() }`. */
export function runServer(start) {
  let server
  obey({
    start: async () => {
      server = await start()
      return server.address
    },
    cpu: () => cpuUs(process.cpuUsage()),
    stop: () => server?.close(),
  })
}

/**
 * `start(address)` resolves with `{ loads, close() }`, where `loads` has one function per kind of load:
 * `({ window, seconds, times })` resolves with the number of calls made, or of items that came.
 */
export function runClient(start) {
  let client
  obey({
    start: async address => {
      client = await start(address)
      return Object.keys(client.loads)
    },
    measure: ({ kind, window, seconds, latency }) => measure(client.loads[kind], window, seconds, latency),
    stop: () => client?.close(),
  })
}

async function measure(load, window, seconds, latency) {
  const times = latency ? [] : undefined
  const cpuBefore = process.cpuUsage()
  const began = performance.now()
  const count = await load({ window, seconds, times })
  const ended = performance.now()
  const result = { count, seconds: (ended - began) / 1000, clientCpuUs: cpuUs(process.cpuUsage(cpuBefore)) }
  if (!times) return result
  const sorted = Float64Array.from(times).sort()
  const at = part => sorted[Math.floor(part * (sorted.length - 1))] * 1000
  return { ...result, p50Us: at(0.5), p99Us: at(0.99) }
}

function cpuUs({ user, system }) {
  return user + system
}

function obey(commands) {
  process.on('message', async ({ command, options }) => {
    try {
      process.send({ result: await commands[command](options) })
    } catch (error) {
      process.send({ error: error instanceof Error ? error.stack : String(error) })
    }
  })
  process.on('disconnect', () => process.exit())
}
