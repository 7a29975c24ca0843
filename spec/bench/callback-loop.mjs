/**
 * The load of calls, the same for every system: `window` calls in flight, each answer starts the next call.
 */
import { Tally } from './requests.mjs'

/**
 * `call(body, done)` sends one call; `done(error, answer)` is called once. Resolves with the number of calls after `seconds`
 * and the last answer. `times`, where given, gets the milliseconds of each call, and then `window` must be 1.
 */
export function callbackLoop(call, { window, seconds, times }) {
  return new Promise((resolve, reject) => {
    const tally = new Tally()
    let over = false
    let sentAt = 0
    setTimeout(() => {
      over = true
    }, seconds * 1000)

    function send() {
      if (times) sentAt = performance.now()
      call(tally.next(), done)
    }

    function done(error, answer) {
      if (error) return reject(new Error(`the call failed: ${error}`))
      if (times) times.push(performance.now() - sentAt)
      try {
        tally.take(answer)
        if (!over) send()
        else if (tally.answered === tally.sent) resolve(tally.finish())
      } catch (failure) {
        reject(failure)
      }
    }

    for (let i = 0; i < window; i++) send()
  })
}
