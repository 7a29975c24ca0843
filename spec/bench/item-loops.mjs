/**
 * The loads that count items which come by themselves: one stream, and the fan-out of one shared source to many connections.
 */
import { ItemTally } from './requests.mjs'

/** Connections of the fan-out, each with one subscriber. */
export const SUBSCRIBERS = 100
/** The shared source is told how far its subscribers are whenever they took so many items more, on average. */
const TOLD_EVERY = 64

/**
 * `subscribe(take, fail)` starts a stream and returns how to stop it, which may take a while: items count until it has stopped.
 * Resolves with their number.
 */
export function streamLoop(subscribe, { seconds }) {
  return new Promise((resolve, reject) => {
    const tally = new ItemTally()
    const stop = subscribe(
      guarded(item => tally.take(item), reject),
      reject,
    )
    after(seconds, stop).then(() => resolve(tally.count), reject)
  })
}

/**
 * `feed.subscribe(index, take, fail)` resolves, when the server will send every item, with how to unsubscribe, after which none
 * comes; `index` is that of the connection. `start(burst)`, `taken(count)` and `stop()` are those of feed.mjs. Resolves with the
 * number of items that came, of all subscribers together.
 */
export function fanOutLoop(feed, { window: burst, seconds }) {
  return new Promise((resolve, reject) => {
    let count = 0

    function subscribe(_, index) {
      const tally = new ItemTally()
      const take = item => {
        tally.take(item)
        if (++count % (SUBSCRIBERS * TOLD_EVERY) === 0) feed.taken(count / SUBSCRIBERS)
      }
      return feed.subscribe(index, guarded(take, reject), reject)
    }

    async function run() {
      const leave = await Promise.all(Array.from({ length: SUBSCRIBERS }, subscribe))
      feed.start(burst)
      await after(seconds, () => feed.stop())
      const counted = count
      await Promise.all(leave.map(one => one()))
      return counted
    }
    run().then(resolve, reject)
  })
}

function guarded(take, fail) {
  return item => {
    try {
      take(item)
    } catch (error) {
      fail(error)
    }
  }
}

async function after(seconds, act) {
  await new Promise(resolve => setTimeout(resolve, seconds * 1000))
  await act()
}
