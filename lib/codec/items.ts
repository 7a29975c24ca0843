/**
 * An item on the wire: bytes travel as the blob of its frame, anything else as its message. PROTOCOL.md, "Items".
 */

import { RpcError } from '../error.ts'
import { type Body, EMPTY_BYTES } from '../protocol/body.ts'
import type { Codec } from './codec.ts'

/** No bytes, as a MessagePack value: an item without message and blob would be unit. */
const EMPTY_BIN = Uint8Array.of(0xc4, 0x00)

/** What an item travels as. */
export interface ItemParts {
  readonly msg: Uint8Array
  readonly blob: Uint8Array
}

/** Bytes, or `undefined` for an item that is encoded. */
export function bytesOf(item: unknown): ItemParts | undefined {
  if (!(item instanceof Uint8Array)) return undefined
  return item.length === 0 ? { msg: EMPTY_BIN, blob: EMPTY_BYTES } : { msg: EMPTY_BYTES, blob: item }
}

/** The item that came; throws what the codec throws, and `rpc_decode` for a message with a blob. */
export function readItem(codec: Codec, body: Body): unknown {
  const { msgBytes, blob } = body
  if (blob.length > 0) {
    if (msgBytes === 0) return blob
    throw new RpcError(
      'rpc_decode',
      `an item has ${msgBytes} bytes of message and ${blob.length} bytes of blob, not one`,
    )
  }
  if (msgBytes === 0) return undefined
  if (msgBytes === 2 && body.msg[0] === EMPTY_BIN[0] && body.msg[1] === 0) return new Uint8Array(0)
  return body.read(codec)
}
