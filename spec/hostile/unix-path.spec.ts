/**
 * The file of a Unix socket under a server: stale, too long, private, removed while it serves (D14).
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { connect, RpcServer } from '../../lib/node/index.ts'
import { follow, Lab } from '../support/arena.ts'
import { expectNoLeaks } from '../support/leaks.ts'
import { ONE_LINK } from '../support/one-link.ts'
import { newPath } from '../support/transports.ts'

describe('a server at a Unix socket (D14)', () => {
  it('lives on for its connections when the file is removed, and a second server takes the path', async () => {
    const path = newPath()
    const lab = new Lab()
    const first = new RpcServer({ dispatch: lab.dispatch })
    await first.listen(`unix://${path}`)
    const old = connect(`unix://${path}`)
    await follow(old.call({ action: 'Lab.echo' })).answers()
    unlinkSync(path)
    assert.equal((await follow(old.call({ action: 'Lab.echo', input: 1 })).answers()).value, 1)
    const newcomer = connect(`unix://${path}`, ONE_LINK)
    await follow(newcomer.call({ action: 'Lab.echo' })).failsWith('rpc_unreachable', /ENOENT/, 'no')

    const second = new RpcServer({ dispatch: lab.dispatch })
    await second.listen(`unix://${path}`)
    await follow(newcomer.call({ action: 'Lab.echo' })).answers()
    await old.close()
    await first.close()
    assert.equal(existsSync(path), true, 'the second one’s file is not the first one’s to remove')
    await follow(newcomer.call({ action: 'Lab.echo' })).answers()
    await newcomer.close()
    await second.close()
    assert.equal(existsSync(path), false)
    await expectNoLeaks()
  })

  it('is private to its user', async () => {
    const path = newPath()
    const server = new RpcServer({})
    await server.listen(`unix://${path}`)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    await server.close()
    await expectNoLeaks()
  })

  it('replaces the file of a server that died', async () => {
    const path = newPath()
    const dies = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    assert.equal(spawnSync(process.execPath, ['-e', dies]).signal, 'SIGKILL')
    assert.equal(statSync(path).isSocket(), true)
    const lab = new Lab()
    const server = new RpcServer({ dispatch: lab.dispatch })
    await server.listen(`unix://${path}`)
    const client = connect(`unix://${path}`)
    await follow(client.call({ action: 'Lab.echo' })).answers()
    await client.close()
    await server.close()
    await expectNoLeaks()
  })

  it('says what is wrong with a path that is too long, taken, or another file', async () => {
    const long = `/tmp/${'x'.repeat(120)}`
    const path = newPath()
    const file = newPath()
    writeFileSync(file, 'precious')
    const server = new RpcServer({})
    await server.listen(`unix://${path}`)
    const other = new RpcServer({})
    await assert.rejects(other.listen(`unix://${long}`), /107/)
    await assert.rejects(other.listen(`unix://${path}`), /somebody listens there/)
    await assert.rejects(other.listen(`unix://${file}`), /no socket stands there/)
    assert.throws(() => connect(`unix://${long}`), /107/)
    assert.equal(existsSync(file), true)
    await server.close()
    await other.close()
    await expectNoLeaks()
  })
})
