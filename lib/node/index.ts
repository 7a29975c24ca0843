/**
 * razor-rx for Node: all of the main entry, and a `connect` and an `RpcServer` that know TCP, Unix sockets and WebSocket
 * servers.
 */
export * from '../index.ts'
export { connect } from './connect.ts'
export { Gateway } from './gateway.ts'
export { GATEWAY_DEFAULTS, type GatewayConfig, type GatewayOptions } from './gateway-config.ts'
export { Graceful, type GracefulOptions, type Stoppable } from './graceful.ts'
export type { HttpTarget } from './http.ts'
export type { GatewayStats } from './passages.ts'
export { type ListenTarget, RpcServer } from './rpc-server.ts'
export type { Command } from './successor.ts'
export { tcpDialer, tcpListener, unixDialer, unixListener } from './tcp.ts'
export { type NodeWebSocketDialerOptions, type NodeWebSocketOptions, nodeWebSocketDialer } from './websocket.ts'
export { type NodeWebSocketListenerOptions, webSocketListener } from './websocket-listener.ts'
