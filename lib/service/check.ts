/**
 * Schemas at work: on the server, once for each value.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { defaultIfEmpty, from, isObservable, map, mergeMap, type Observable, of, take } from 'rxjs'
import { queuedMap } from '../flow/queued-map.ts'
import { CallRefused, isPromiseLike } from '../server/dispatch.ts'

/** What the schema makes of `value`, or a Promise of it; throws, or rejects, with `code` where it refuses. */
export function checked(
  schema: StandardSchemaV1,
  value: unknown,
  code: 'rpc_decode' | 'rpc_encode',
  what: string,
): unknown {
  const read = (result: StandardSchemaV1.Result<unknown>): unknown => {
    if (result.issues === undefined) return result.value
    const issues = result.issues.map(issue => `${pathOf(issue)}${issue.message}`).join('; ')
    throw new CallRefused(code, `${what} is refused: ${issues}`)
  }
  const result = schema['~standard'].validate(value)
  return isPromiseLike(result) ? result.then(read as (result: unknown) => unknown) : read(result)
}

function pathOf(issue: StandardSchemaV1.Issue): string {
  const keys = (issue.path ?? []).map(part => String(typeof part === 'object' ? part.key : part))
  return keys.length === 0 ? '' : `${keys.join('.')}: `
}

/** Applies `next` to a value, to what a Promise settles to, or to what an Observable emits first (nothing: `undefined`). */
export function then(answer: unknown, next: (value: unknown) => unknown): unknown {
  if (isObservable(answer)) {
    return answer.pipe(
      take(1),
      defaultIfEmpty<unknown, undefined>(undefined),
      map(next),
      mergeMap(value => (isPromiseLike(value) ? value : of(value))),
    )
  }
  return isPromiseLike(answer) ? answer.then(value => then(value, next)) : next(answer)
}

/** Applies `next` to each item of a source, in order; what is pulled stays pulled. */
export function eachItem(source: unknown, next: (item: unknown) => unknown): unknown {
  if (isObservable(source)) return source.pipe(queuedMap(item => inOrder(next(item)), 1))
  if (isPromiseLike(source)) return source.then(items => eachItem(items, next))
  if (typeof source !== 'object' || source === null) return source
  return pulled(source as AsyncIterable<unknown> | Iterable<unknown>, next)
}

async function* pulled(
  source: AsyncIterable<unknown> | Iterable<unknown>,
  next: (item: unknown) => unknown,
): AsyncGenerator<unknown> {
  for await (const item of source) yield await next(item)
}

function inOrder(result: unknown): Observable<unknown> {
  return isPromiseLike(result) ? from(result) : of(result)
}
