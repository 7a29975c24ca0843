/**
 * A program: a server of the cluster. Its words are its name, the address to listen at, and whom it follows, if it does not lead.
 */
import { RpcServer } from '../../lib/node/index.ts'
import { clusterMember } from './cluster.ts'

const [name = '', listenAt = '', leader] = process.argv.slice(2)
const server = new RpcServer({ services: [clusterMember(name, leader)] })
const { address } = await server.listen(listenAt)
console.log(`listening at ${address}`)
