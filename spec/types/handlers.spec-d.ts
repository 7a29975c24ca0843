/**
 * What a server's handlers must look like: all there, spelt right, with the contract's types on both sides.
 */
import { type Observable, of } from 'rxjs'
import {
  type BlobHandlerCall,
  type Handler,
  type HandlerAnswer,
  type HandlerCall,
  type Handlers,
  type Implementation,
  implement,
  type Peer,
  RpcServer,
  service,
  type U64,
  type UserError,
  unary,
  type WithBlob,
} from '../../lib/index.ts'
import { Clock, type FsError, Host, type Load } from './contracts.ts'
import { exactly } from './exactly.ts'

const bytes = new Uint8Array(2)

// An object with all the handlers; a value, a Promise of one, or an Observable answers.
const implementation = implement(Host, {
  load: () => of({ one: 1, five: 5 }),
  reset: () => {},
  div: async ([a, b], { fail, signal, deadline, peer }) => {
    exactly<number>()(a)
    exactly<AbortSignal>()(signal)
    exactly<number>()(deadline)
    exactly<Peer>()(peer)
    if (b === 0) throw fail('divide by zero')
    return a / b
  },
  add: ([a, b], { fail }) => {
    // @ts-expect-error: not one of the contract's texts
    fail('overflown')
    exactly<UserError<'overflow' | 'range'>>()(fail('range'))
    return a + b
  },
  kill: ({ pid }, { fail }) => {
    exactly<number>()(pid)
    // @ts-expect-error: an errno is a number
    fail('ESRCH')
    throw fail(3)
  },
  open: ({ path }, call) => {
    exactly<HandlerCall<FsError>>()(call)
    // @ts-expect-error: a denied path must be named
    call.fail({ code: 'denied' })
    // @ts-expect-error: no request blob in the contract
    void call.blob
    throw call.fail({ code: 'denied', path })
  },
  maybe: input => input?.name ?? null,
  write: ({ inode }, { blob }) => {
    exactly<U64>()(inode)
    exactly<Uint8Array>()(blob)
    return blob.length
  },
  read: () => ({ value: 3n, blob: bytes }),
  swap: (_, call) => {
    exactly<BlobHandlerCall<string>>()(call)
    return Promise.resolve({ value: undefined, blob: call.blob })
  },
})
exactly<Implementation>()(implementation)
new RpcServer({ services: [implementation] })

// A handler gets what the schema makes of the input, and gives what the schema makes the output of.
implement(Clock, {
  at: ({ date }) => {
    exactly<Date>()(date)
    return date
  },
  length: n => {
    exactly<number>()(n)
    return n
  },
  plain: ({ a }) => Number(a),
  nothing: input => {
    exactly<void>()(input)
  },
  only: () => Promise.resolve('a'),
  fails: (_, { fail }) => {
    throw fail({ code: 'full' })
  },
  texts: (_, { fail }) => {
    throw fail('late')
  },
  numbered: (_, { fail }) => {
    throw fail(5)
  },
  sends: (text, { blob }) => {
    exactly<string>()(text)
    exactly<Uint8Array>()(blob)
  },
  gives: text => ({ value: text.length, blob: bytes }),
  both: (_, { blob }) => ({ value: 1, blob }),
})

const Small = service('Small', {
  count: unary<string, number>(),
  bytes: unary<void, number>({ blob: 'response' }),
})

// An instance of a class will do.
class SmallService {
  #calls = 0
  count(text: string): number {
    return text.length + this.#calls++
  }
  bytes(): Observable<WithBlob<number>> {
    return of({ value: 1, blob: bytes })
  }
}
implement(Small, new SmallService())
const handlers: Handlers<typeof Small.methods> = new SmallService()
void handlers

// What one handler has to be can be named.
exactly<(input: string, call: HandlerCall<string>) => HandlerAnswer<number>>()(
  {} as Handler<typeof Small.methods.count>,
)

// @ts-expect-error: 'bytes' is missing
implement(Small, { count: text => text.length })
implement(Small, {
  // @ts-expect-error: misspelt, and so named
  coumt: (text: string) => text.length,
  bytes: () => ({ value: 1, blob: bytes }),
})
implement(Small, {
  // @ts-expect-error: a number, not a text
  count: text => text,
  bytes: () => ({ value: 1, blob: bytes }),
})
implement(Small, {
  // @ts-expect-error: a Promise of the wrong type
  count: async text => text,
  // @ts-expect-error: the blob is missing
  bytes: () => ({ value: 1 }),
})
implement(Small, {
  // @ts-expect-error: an Observable of the wrong type
  count: text => of(text),
  // @ts-expect-error: the value has no blob beside it
  bytes: () => 1,
})
implement(Small, {
  // @ts-expect-error: the argument is a text
  count: (n: number) => n,
  // @ts-expect-error: a value is no handler
  bytes: { value: 1, blob: bytes },
})
implement(Host, {
  ...({} as Handlers<typeof Host.methods>),
  // @ts-expect-error: a load without its second number
  load: (): Pick<Load, 'one'> => ({ one: 1 }),
})

// @ts-expect-error: misspelt
new RpcServer({ servcies: [] })
