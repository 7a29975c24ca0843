/**
 * One round: every system with fresh processes, and within each measure one system right after the other, so that what is
 * divided was measured seconds apart. The order of systems turns by one place each round: nobody is always first.
 */
import { WorkerProcess } from './worker-process.mjs'

/** Gives `{ [system]: { [measure]: result } }`. `pin` is `{ server, client }`, each as `taskset -c` takes it. */
export async function runRound({ index, systems, measures, seconds, pin, onProgress }) {
  const pairs = []
  try {
    for (const system of systems) pairs.push(await startPair(system, pin))
    const turned = [...pairs.slice(index % pairs.length), ...pairs.slice(0, index % pairs.length)]
    for (const measure of measures) {
      for (const pair of turned) {
        if (!pair.kinds.includes(measure.kind)) continue
        onProgress(`${pair.name}, ${measure.name}`)
        pair.results[measure.name] = await runMeasure(pair, measure, seconds)
      }
    }
    // Client first: a server that drains must not wait for its own client.
    for (const pair of pairs) await pair.client.stop()
    for (const pair of pairs) await pair.server.stop()
  } finally {
    await Promise.all(pairs.flatMap(pair => [pair.client.kill(), pair.server.kill()]))
  }
  return Object.fromEntries(pairs.map(pair => [pair.name, pair.results]))
}

async function startPair({ name, server, client, args = [] }, pin) {
  const pair = {
    name,
    server: new WorkerProcess(`${name} server`, server, args, pin.server),
    client: new WorkerProcess(`${name} client`, client, args, pin.client),
    kinds: [],
    warm: new Set(),
    results: {},
  }
  try {
    const address = await pair.server.ask('start')
    pair.kinds = await pair.client.ask('start', address)
    return pair
  } catch (error) {
    await Promise.all([pair.client.kill(), pair.server.kill()])
    throw error
  }
}

/**
 * Warming up: before the first measure of a kind until the code is optimised, afterwards only out of the idle state. Of eight seconds
 * from a cold start the first ran at 53 to 65 % of the best for this library, at 68 to 84 % by hand.
 */
const FIRST_WARM_SECONDS = 4
const WARM_SECONDS = 0.5

async function runMeasure({ server, client, warm }, { kind, window, latency }, seconds) {
  const warmSeconds = warm.has(kind) ? Math.min(WARM_SECONDS, seconds) : FIRST_WARM_SECONDS
  warm.add(kind)
  await client.ask('measure', { kind, window, latency, seconds: warmSeconds }, warmSeconds)
  const cpuBefore = await server.ask('cpu')
  const result = await client.ask('measure', { kind, window, latency, seconds }, seconds)
  const serverCpuUs = (await server.ask('cpu')) - cpuBefore
  return { ...result, serverCpuUs }
}
