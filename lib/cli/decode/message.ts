/**
 * What a frame carries, as JSON. What looks like a secret is masked: the token of a HELLO, and texts of HELLO and HEADERS under
 * a name that says so.
 */
import type { Codec } from '../../codec/codec.ts'
import { msgpack } from '../../codec/msgpack.ts'
import { asMap } from '../../protocol/control.ts'
import { formatJson } from '../json-text.ts'
import type { MessageView } from './events.ts'

/** Characters of a message that are shown. */
const SHOWN = 160
/** A message over this is not decoded where only its beginning would be shown. */
const LONG_BYTES = 64 * 1024
const MASK = '***'
const SECRET = /authorization|cookie|credential|passw|secret|session|token|api-?key/i

/** Peers may have other limits than this library's: all that can be printed is. */
export const READ_ALL = { maxDepth: 256, maxElements: 20_000_000, maxKeys: 2_000_000 } as const
const MESSAGE_PACK = msgpack(READ_ALL)

/** How messages are shown. */
export interface MessageStyle {
  readonly codec: Codec
  /** Whole, however long. */
  readonly full: boolean
  readonly showSecrets: boolean
}

/** A message of a call. */
export function viewOf(bytes: Uint8Array, { codec, full }: MessageStyle): MessageView {
  if (!full && bytes.length > LONG_BYTES) return { messageProblem: `${bytes.length} bytes, shown with --full` }
  let value: unknown
  try {
    value = codec.decode(bytes)
  } catch (error) {
    return { messageProblem: `${(error as Error).message}; it begins with ${hexOf(bytes)}` }
  }
  const text = formatJson(value)
  return full || text.length <= SHOWN ? { message: value ?? null } : { messageBeginning: text.slice(0, SHOWN) }
}

/** A control map, which is MessagePack whatever the codec. Its bytes are not shown, as they may hold a token. */
export function controlView(bytes: Uint8Array, { full, showSecrets }: MessageStyle): MessageView {
  let map: Readonly<Record<string, unknown>> | undefined
  try {
    map = asMap(MESSAGE_PACK.decode(bytes))
  } catch (error) {
    return { messageProblem: (error as Error).message }
  }
  if (map === undefined) return { messageProblem: `${bytes.length} bytes that are no map` }
  const shown = showSecrets ? map : masked(map)
  const text = formatJson(shown)
  return full || text.length <= SHOWN ? { message: shown } : { messageBeginning: text.slice(0, SHOWN) }
}

function masked(map: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(map).map(([key, value]) => {
      if (SECRET.test(key)) return [key, MASK]
      const inner = asMap(value)
      return [key, inner === undefined ? value : masked(inner)]
    }),
  )
}

/** The first bytes, for people who know what they ought to be. */
export function hexOf(bytes: Uint8Array, most = 16): string {
  const shown = Array.from(bytes.subarray(0, most), byte => byte.toString(16).padStart(2, '0')).join(' ')
  return bytes.length > most ? `${shown} ...` : shown
}
