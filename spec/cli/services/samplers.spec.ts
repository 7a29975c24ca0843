/** One sampler for all watchers of one rate, in virtual time. */
import { describe, it } from 'node:test'
import { samplers } from '../../../lib/cli/services/samplers.ts'
import { marbles } from '../../support/marbles.ts'

describe('samplers', () => {
  it(
    'look at once, then once a period, and stop with the last watcher',
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const look$ = cold('a|')
      const every = samplers(() => look$)
      expectObservable(every(5), '-^-----------!').toBe('-a----a----a--')
      expectSubscriptions(look$.subscriptions).toBe(['-^!', '------^!', '-----------^!'])
    }),
  )

  it(
    'share one timer among the watchers of a rate, and give a late one the newest sample at once',
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const look$ = cold('a|')
      const every = samplers(() => look$)
      expectObservable(every(5), '^-----------!').toBe('a----a----a--')
      expectObservable(every(5), '---^--------!').toBe('---a-a----a--')
      expectSubscriptions(look$.subscriptions).toBe(['^!', '-----^!', '----------^!'])
    }),
  )

  it(
    'begin anew, without an old sample, when all had gone',
    marbles(({ cold, expectObservable }) => {
      let looks = 0
      const every = samplers(() => cold('-a|', { a: ++looks }))
      expectObservable(every(5), '^--!').toBe('-a--', { a: 1 })
      expectObservable(every(5), '----^--!').toBe('-----a--', { a: 2 })
    }),
  )

  it(
    'look once for rates whose looks overlap',
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const look$ = cold('--a|')
      const every = samplers(() => look$)
      expectObservable(every(10), '^-----!').toBe('--a----')
      expectObservable(every(20), '-^----!').toBe('--a----')
      expectSubscriptions(look$.subscriptions).toBe(['^--!'])
    }),
  )

  it(
    'skip the periods that a slow look takes',
    marbles(({ cold, expectObservable }) => {
      const every = samplers(() => cold('-------a|'))
      expectObservable(every(5), '^-------------------!').toBe('-------a---------a---')
    }),
  )

  it(
    'fail every watcher of a rate, and look again for the next one',
    marbles(({ cold, expectObservable }) => {
      let looks = 0
      const every = samplers(() => (++looks === 1 ? cold('-#') : cold('-a|')))
      expectObservable(every(5), '^---!').toBe('-#')
      expectObservable(every(5), '^---!').toBe('-#')
      expectObservable(every(5), '--^-!').toBe('---a-')
    }),
  )
})
