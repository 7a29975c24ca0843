/** A recorded link has all the duties of the link it records. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { recordedDialer, recordedListener } from '../../lib/cli/capture/recorded-link.ts'
import { type Disk, Recorder } from '../../lib/cli/capture/recorder.ts'
import { tcpDialer, tcpListener } from '../../lib/node/tcp.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'
import { linkDuties } from '../support/link-duties.ts'

const folder = mkdtempSync(join(tmpdir(), 'razor-recorded-'))
/** Takes everything and keeps nothing. */
const disk: Disk = {
  writev: (_fd, pieces, _position, done) => {
    queueMicrotask(() =>
      done(
        null,
        pieces.reduce((sum, { length }) => sum + length, 0),
      ),
    )
  },
  writeSync: (_fd, _piece, _offset, length) => length,
}
const recorder = new Recorder(join(folder, 'links'), new FakeTerminal(), disk)

after(async () => {
  await recorder.close()
  rmSync(folder, { recursive: true })
})

linkDuties({
  name: 'recorded TCP',
  listener: (address = 'tcp://127.0.0.1:0') => recordedListener(recorder, tcpListener(address)),
  dialer: address => recordedDialer(recorder, tcpDialer(address)),
  nobody: async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    return `tcp://127.0.0.1:${port}`
  },
  pauses: true,
})
