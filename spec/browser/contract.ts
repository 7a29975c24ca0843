/**
 * What the page and its server share.
 */
import { service, type U64, unary } from '../../lib/index.ts'

export type PageError = { readonly code: 'denied'; readonly who: string }

export const Desk = service('Desk', {
  div: unary<[number, number], number>(),
  open: unary<string, void, PageError>({ errors: 'coded' }),
  kill: unary<number, void, number>({ errors: 'errno' }),
  next: unary<U64, U64>(),
  echo: unary<unknown, unknown>(),
  flip: unary<void, number>({ action: 3, blob: 'both' }),
  hang: unary<void, void>(),
})
