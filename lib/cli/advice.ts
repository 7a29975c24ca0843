/**
 * What to do about a failed call, for the end of its message.
 */
import type { ErrorCode, RpcError } from '../error.ts'

const ADDRESS = 'compare the address with what the server prints when it starts'
const SERVICES = 'the server prints what it serves when it starts; upper and lower case count'
const OTHER_PROTOCOL = `something else than a razor server answers there, or tcp:// and ws:// are mixed up: ${ADDRESS}`
const VERSIONS = 'the two ends speak different protocols: compare their versions'
const LOOK_AT_SERVER = "the server's log says more"
const AUTHENTICATE = 'it wants a token, which this command cannot send: write a client with connect(url, { token })'

/** By what stands in the message where nothing was sent; the first that is found counts. */
const UNSENT: readonly (readonly [RegExp, string])[] = [
  [/ECONNREFUSED/, `no server listens there: start it (razor serve is one to try), or ${ADDRESS}`],
  [/ENOENT|ENOTSOCK/, `no server listens at that path: start it (razor serve is one to try), or ${ADDRESS}`],
  [/ENOTFOUND|EAI_AGAIN/, 'no such host is known: mend its name'],
  [/EACCES|EPERM/, 'you may not open that socket: run this as its owner'],
  [/ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|connectTimeoutMs/, 'see that the host is up and no firewall is between'],
  [/response: 404/, 'no razor server has that path: mend the path of the address'],
  [/response: (401|403)/, 'the server lets nobody in without its own kind of leave: ask whoever runs it'],
  [/response: (429|503)/, 'it has as many connections as it takes: try again later'],
  [/response: |Parse Error|magic/, OTHER_PROTOCOL],
  [/this end speaks/, VERSIONS],
  [
    /closed the connection|socket hang up/,
    `it hung up: it may be no razor server, be full, or be stopping; ${ADDRESS}`,
  ],
]

/** By code; what a message says more exactly stands in {@link nextStep}. */
const STEPS: Readonly<Partial<Record<ErrorCode, string>>> = {
  rpc_unreachable: `see that the server runs, and ${ADDRESS}`,
  rpc_io_err: 'the connection broke: see that the server still runs, then try again',
  rpc_service_notfound: SERVICES,
  rpc_method_notfound: SERVICES,
  rpc_decode: 'give the argument in the form that this method takes; several arguments are one JSON array',
  rpc_encode: LOOK_AT_SERVER,
  rpc_internal_err: LOOK_AT_SERVER,
  rpc_invalid_ver: VERSIONS,
  rpc_protocol: 'the two ends do not understand each other: --record FILE keeps what they say, razor decode shows it',
  rpc_flow: 'the two ends count credit differently: --record FILE keeps what they say, razor decode shows it',
  rpc_canceled: 'the server has ended it: try again, where it was stopping once it is back',
  rpc_draining: 'the server is stopping: try again when it is back',
  rpc_busy: 'the server has all the calls that it takes: try again later',
  rpc_too_large: "send less at a time, or raise the server's limit",
  rpc_overflow: 'fewer calls at a time get through',
  rpc_unauthenticated: AUTHENTICATE,
  rpc_forbidden: AUTHENTICATE,
}

/** What to do about `error`; `undefined` where the handler has answered, and only the caller can know. */
export function nextStep(error: RpcError): string | undefined {
  const { code, executed, message } = error
  if (code === 'rpc_unreachable' || (code === 'rpc_io_err' && executed === 'no'))
    return UNSENT.find(([sign]) => sign.test(message))?.[1] ?? STEPS[code]
  if (code === 'rpc_timeout') {
    return executed === 'no'
      ? 'nothing came from there in time: see that a razor server runs there, is not stuck, and no firewall is between'
      : 'the handler may have run; --timeout MS waits longer'
  }
  if (code === 'rpc_unsupported' || (code === 'user' && message.endsWith('rpc_unsupported')))
    return otherCommand(message)
  return STEPS[code]
}

function otherCommand(message: string): string {
  if (message.includes('headers need')) return 'leave --header out'
  if (/is of kind stream/.test(message)) return 'use razor watch'
  if (/is of kind unary/.test(message)) return 'use razor call'
  if (/is of kind/.test(message)) return 'it takes items, which only a client of your own can send'
  return 'on version 1 there are only single answers: use razor call for a method that has one, or a server of version 2'
}
