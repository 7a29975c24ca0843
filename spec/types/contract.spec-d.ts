/**
 * What a contract accepts: type arguments or a description, and `errors` and `blob` that agree with them.
 */
import { z } from 'zod'
import { type Contract, type Errno, type, type Unary, unary } from '../../lib/index.ts'
import { Clock, type FsError, Host, type Load } from './contracts.ts'
import { exactly } from './exactly.ts'

// A contract keeps each method's types, under its own name.
exactly<Unary<void, Load, string>>()(Host.methods.load)
exactly<Unary<void, void, string>>()(Host.methods.reset)
exactly<Unary<{ path: string }, number, FsError>>()(Host.methods.open)
exactly<Unary<[number, number], number, 'overflow' | 'range'>>()(Host.methods.add)
exactly<string>()(Host.name)
exactly<number | string>()(Host.methods.load.action)
exactly<'request'>()(Host.methods.write.blob)
exactly<undefined>()(Host.methods.load.blob)
exactly<'both'>()(Clock.methods.both.blob)

// A description gives the caller's types and the handler's.
exactly<Unary<{ date: string }, number, string, undefined, { date: Date }, Date>>()(Clock.methods.at)
exactly<Unary<string, string, string, undefined, number, number>>()(Clock.methods.length)
exactly<Unary<void, void, string>>()(Clock.methods.nothing)
exactly<Unary<void, number, FsError>>()(Clock.methods.fails)
exactly<Unary<void, number, 'late' | 'early'>>()(Clock.methods.texts)
exactly<Unary<void, void, number>>()(Clock.methods.numbered)
exactly<Unary<string, void, string, 'request'>>()(Clock.methods.sends)

// A contract is plain data that a function can take.
const named: Contract<unknown> = Host
void named

// The errors option must agree with the error type.
unary<void, void, 'a' | 'b'>({ errors: 'text' })
unary<void, void, Errno>({ errors: 'errno' })
// @ts-expect-error: a number needs errors: 'errno', so the options may not be left out
unary<void, void, Errno>()
// @ts-expect-error: and not in an empty object
unary<void, void, Errno>({})
// @ts-expect-error: a number is no text
unary<void, void, Errno>({ errors: 'text' })
// @ts-expect-error: an object must be coded
unary<void, void, FsError>({ errors: 'errno' })
// @ts-expect-error: an object must be coded
unary<void, void, FsError>()
// @ts-expect-error: text is no errno
unary<void, void, string>({ errors: 'errno' })
// @ts-expect-error: a union of text and number is neither, so it must be coded
unary<void, void, string | number>({ errors: 'text' })
unary<void, void, string | number>({ errors: 'coded' })
unary<void, void, Errno>({ errors: 'errno', blob: 'request' })
// @ts-expect-error: the same rule holds beside a blob
unary<void, void, Errno>({ blob: 'request' })

// The two forms are never mixed.
// @ts-expect-error: type arguments leave no room for a schema
unary<string, number>({ input: z.string() })
// @ts-expect-error: nor for the type of an error
unary<string, number>({ error: type<FsError>() })

// Options that are none are caught in both forms.
// @ts-expect-error: misspelt
unary<string, number>({ idempotant: true })
// @ts-expect-error: misspelt
unary({ input: z.string(), outptu: z.string() })
// @ts-expect-error: an action is a number; names are made by service()
unary<string, number>({ action: 'Host.load' })
// @ts-expect-error: a blob stands in the request, the response, or both
unary<string, number>({ blob: 'answer' })
// @ts-expect-error: a blob stands in the request, the response, or both
unary({ input: z.string(), blob: 'answer' })
// @ts-expect-error: there are three ways in which errors travel
unary({ input: z.string(), errors: 'json' })
// @ts-expect-error: unary has no window
unary<string, number>({ window: 3 })
// @ts-expect-error: unary has no overflow
unary<string, number>({ overflow: 'latest' })
// @ts-expect-error: a schema, not a value
unary({ input: 'string' })
