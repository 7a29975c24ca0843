/**
 * The dispatch of services: finds the handler, checks what goes in and out. Rust: what the `service` macro generates.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { CallRefused, type Dispatch, ReplyWithBlob, type ServerCall } from '../server/dispatch.ts'
import { checked, eachItem, then } from './check.ts'
import type { WithBlob } from './client.ts'
import type { MethodData } from './contract.ts'
import type { Implementation } from './handlers.ts'

/**
 * A dispatch of services: by the whole action, so a number belongs to one service only. Actions that none of them has go to
 * `others`. Throws a `TypeError` for two methods with one action.
 */
export function dispatchServices(implementations: readonly Implementation[], others?: Dispatch): Dispatch {
  const methods = new Map<number | string, Dispatch>()
  const names = new Set<string>()
  for (const { contract, handlers } of implementations) {
    names.add(contract.name)
    for (const [key, method] of Object.entries(contract.methods)) {
      if (methods.has(method.action)) throw new TypeError(`two methods have the action ${method.action}`)
      methods.set(method.action, dispatchMethod(method, handlers, key))
    }
  }
  return call => {
    const run = methods.get(call.action)
    if (run !== undefined) return run(call)
    if (others !== undefined) return others(call)
    throw notFound(call.action, names)
  }
}

function notFound(action: number | string, services: ReadonlySet<string>): CallRefused {
  const dot = typeof action === 'string' ? action.indexOf('.') : -1
  if (dot < 0) return new CallRefused('rpc_method_notfound', `no method ${JSON.stringify(action)}`)
  const service = String(action).slice(0, dot)
  return services.has(service)
    ? new CallRefused('rpc_method_notfound', `${service} has no method ${String(action).slice(dot + 1)}`)
    : new CallRefused('rpc_service_notfound', `no service ${service}`)
}

function dispatchMethod(method: MethodData, handlers: Readonly<Record<string, unknown>>, key: string): Dispatch {
  const handler = handlers[key] as (input: unknown, call: ServerCall) => unknown
  const { input: inputSchema, output: outputSchema, items: itemsSchema } = method
  const givesItems = method.kind === 'stream' || method.kind === 'duplex'
  const what = (part: string): string => `the ${part} of ${method.action}`
  const takesBlob = method.blob === 'request' || method.blob === 'both'
  const givesBlob = method.blob === 'response' || method.blob === 'both'

  const finishItems = (source: unknown): unknown =>
    outputSchema === undefined
      ? source
      : eachItem(source, item => checked(outputSchema, item, 'rpc_encode', what('item')))
  const finishAnswer = (answer: unknown): unknown => {
    if (!givesBlob)
      return outputSchema === undefined ? answer : checked(outputSchema, answer, 'rpc_encode', what('answer'))
    const { value, blob } = (answer ?? {}) as Partial<WithBlob<unknown>>
    if (!ArrayBuffer.isView(blob)) throw new CallRefused('rpc_encode', `the answer of ${method.action} has no blob`)
    if (outputSchema === undefined) return new ReplyWithBlob(value, blob)
    const output = checked(outputSchema, value, 'rpc_encode', what('answer'))
    return then(output, checkedValue => new ReplyWithBlob(checkedValue, blob))
  }
  const plain = !givesBlob && outputSchema === undefined
  const finish = (answer: unknown): unknown => {
    if (plain) return answer
    return givesItems ? finishItems(answer) : then(answer, finishAnswer)
  }

  const runChecked = (schema: StandardSchemaV1, call: ServerCall): unknown =>
    then(checked(schema, call.input, 'rpc_decode', what('argument')), input =>
      finish(handler.call(handlers, input, call)),
    )

  return call => {
    call.errors = method.errors
    if (method.kind !== 'unary') {
      call.overflow = method.overflow
      call.window = method.window
    }
    if (itemsSchema !== undefined) call.checkItem = item => checked(itemsSchema, item, 'rpc_decode', what('item'))
    if (call.shape !== method.kind) {
      throw new CallRefused(
        'rpc_unsupported',
        `${method.action} is of kind ${method.kind}, and was called as ${call.shape}`,
      )
    }
    if (!takesBlob && call.blob.length > 0) {
      throw new CallRefused('rpc_decode', `${call.blob.length} bytes of blob that ${method.action} does not take`)
    }
    if (inputSchema === undefined) return finish(handler.call(handlers, call.input, call))
    return runChecked(inputSchema, call)
  }
}
