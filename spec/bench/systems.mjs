/**
 * The systems under measurement. Each is two files in systems/: a server worker and a client worker (see worker.mjs). A new
 * system is these two and a line here; a client that does not offer a kind of load shows `-` there.
 *
 * `against`: the systems whose numbers its own are divided by, round by round.
 */
export const SYSTEMS = [
  { name: 'ws floor', server: 'ws-floor-server.mjs', client: 'ws-floor-client.mjs', against: [] },
  { name: 'tcp limit', server: 'tcp-limit-server.mjs', client: 'tcp-limit-client.mjs', against: ['ws floor'] },
  { name: 'socket.io', server: 'socket-io-server.mjs', client: 'socket-io-client.mjs', against: ['ws floor'] },
  {
    name: 'razor ws',
    server: 'razor-server.mjs',
    client: 'razor-client.mjs',
    args: ['ws'],
    against: ['ws floor', 'socket.io'],
  },
  {
    name: 'razor tcp',
    server: 'razor-server.mjs',
    client: 'razor-client.mjs',
    args: ['tcp'],
    against: ['ws floor', 'tcp limit'],
  },
]
