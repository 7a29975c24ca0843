/**
 * Frames in words: a letter for marble diagrams, a line for people. The letters of the client are capital, the answering ones
 * of the server small.
 */
import { invalidUtf8At } from '../codec/utf8.ts'
import type { RequestFrame, ResponseFrame } from '../protocol/heads.ts'
import { FLAG_ERRNO, FLAG_ERROR, RPC_VERSION_1 } from '../protocol/heads.ts'
import {
  DOWN_CREDIT,
  DOWN_ERROR,
  DOWN_NEXT,
  readCreditBody,
  UP_CREDIT,
  UP_ERROR,
  UP_NEXT,
  UP_REQUEST,
} from '../protocol/heads-v2.ts'
import type { Meaning } from './ledger.ts'

/** A frame in words. */
export interface Words {
  /** Its letter: `WireFrame.kind`. */
  readonly kind: string
  /** Its name in PROTOCOL.md. */
  readonly name: string
  readonly text: string
}

/** By the kind of the frame: its letter and its name. */
const UP: Readonly<Record<number, readonly [string, string]>> = {
  1: ['R', 'REQUEST'],
  2: ['N', 'NEXT'],
  3: ['D', 'COMPLETE'],
  4: ['E', 'ERROR'],
  5: ['C', 'CREDIT'],
  6: ['X', 'CANCEL'],
  7: ['H', 'HELLO'],
  8: ['M', 'HEADERS'],
}
const DOWN: Readonly<Record<number, readonly [string, string]>> = {
  0: ['d', 'DONE'],
  1: ['e', 'ERRNO'],
  2: ['e', 'ERROR'],
  3: ['n', 'NEXT'],
  5: ['c', 'CREDIT'],
  6: ['x', 'CANCEL'],
  7: ['h', 'HELLO'],
  9: ['g', 'GOAWAY'],
}

const UNKNOWN = ['?', 'unknown kind'] as const
const decoder = new TextDecoder()

/** A frame of a client. */
export function upWords(frame: RequestFrame, meaning: Meaning): Words {
  const { ver, format, seq } = frame
  if (meaning.isOffer) return { kind: 'O', name: 'offer', text: `offer ${seq} of version ${format}` }
  if (meaning.isPing) return { kind: 'P', name: 'ping', text: `ping ${seq}` }
  if (ver === RPC_VERSION_1) {
    return { kind: 'R', name: 'REQUEST', text: `v1 REQUEST ${seq} ${String(frame.action)}` }
  }
  const [kind, name] = UP[format] ?? UNKNOWN
  const words = [name, ...(seq === 0 ? [] : [String(seq)])]
  if (format === UP_REQUEST) {
    words.push(String(frame.action))
    if (frame.window > 0) words.push(`window=${frame.window}`)
    if (frame.open) words.push('open')
    if (frame.msLeft > 0) words.push(`timeout=${frame.msLeft}`)
  } else if (format === UP_NEXT) words.push(...itemWords(meaning))
  else if (format === UP_CREDIT) words.push(`+${frame.window}@${frame.consumed}`)
  else if (format === UP_ERROR) words.push(errorText(frame.blob))
  return { kind, name, text: words.join(' ') }
}

/** A frame of a server. */
export function downWords(frame: ResponseFrame, meaning: Meaning): Words {
  const { ver, flag, seq } = frame
  if (meaning.isOffer) {
    return { kind: 'o', name: 'pong', text: frame.msg.length > 0 ? `pong ${seq} of version 2` : `pong ${seq}` }
  }
  if (meaning.isPing) return { kind: 'p', name: 'pong', text: `pong ${seq}` }
  if (seq === 0 && flag === FLAG_ERROR) return { kind: 'b', name: 'notice', text: `notice ${errorText(frame.blob)}` }
  const [kind, name] = DOWN[flag] ?? UNKNOWN
  const words = [...(ver === RPC_VERSION_1 ? ['v1'] : []), name, ...(kind === 'h' ? [] : [String(seq)])]
  if (flag === DOWN_NEXT) words.push(...itemWords(meaning))
  else if (flag === FLAG_ERRNO) words.push(String(frame.errno))
  else if (flag === DOWN_ERROR) words.push(errorText(frame.blob))
  else if (flag === DOWN_CREDIT) {
    const { window, consumed } = readCreditBody(frame.msg)
    words.push(`+${window}@${consumed}`)
  }
  return { kind, name, text: words.join(' ') }
}

/** What an error says; of one that is no text, as coded errors mostly are none, how long it is. */
export function errorText(body: Uint8Array): string {
  return textOf(body) ?? `of ${body.length} bytes that are no text`
}

/** The text that UTF-8 bytes are; `undefined` where they are none. */
export function textOf(bytes: Uint8Array): string | undefined {
  return invalidUtf8At(bytes, 0, bytes.length) < 0 ? decoder.decode(bytes) : undefined
}

/** Bytes that are no frame. */
export function noFrame(bytes: Uint8Array): Words {
  return { kind: '?', name: 'no frame', text: `${bytes.length} bytes that are no frame` }
}

function itemWords({ cost, allowed }: Meaning): string[] {
  return [...(cost > 1 ? [`cost=${cost}`] : []), ...(allowed ? [] : ['without credit'])]
}
