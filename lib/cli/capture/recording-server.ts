/**
 * A server whose connections are recorded.
 */
import { type ListenTarget, RpcServer } from '../../node/rpc-server.ts'
import type { RpcServerOptions } from '../../rpc-server.ts'
import type { Listener } from '../../transport/link.ts'
import { recordedListener } from './recorded-link.ts'
import type { Recorder } from './recorder.ts'

/** The same server, at any address, with a copy of all bytes to `recorder`. */
export class RecordingServer extends RpcServer {
  readonly #recorder: Recorder

  constructor(recorder: Recorder, options: RpcServerOptions) {
    super(options)
    this.#recorder = recorder
  }

  protected override listener(target: ListenTarget): Listener {
    return recordedListener(this.#recorder, super.listener(target))
  }
}
