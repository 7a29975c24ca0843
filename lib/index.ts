/**
 * razor-rx for browsers and anywhere else: dials `ws://`, `wss://` and `memory:`, listens at `memory:`.
 * `razor-rx/node` is all of this and the rest.
 */
export type { Caller, CallRequest, ClientInterceptor, Reply } from './client/call.ts'
export { CLIENT_DEFAULTS, type ClientConfig, type ClientFacts, type LogEntry, type RetryRule } from './client/config.ts'
export { type FailoverOptions, FailoverPool } from './client/failover.ts'
export { ConnPool, type ConnPoolOptions } from './client/pool.ts'
export type { Pool, Standing } from './client/pool-duties.ts'
export type { RouteKind } from './client/route.ts'
export type { AddressStats, ClientHoldings, ClientStats, PoolStats } from './client/stats.ts'
export type { ClientEvent, ClientState, ClientStatus } from './client/status.ts'
export { ClientStream } from './client/stream.ts'
export type { Codec, DecodeLimits } from './codec/codec.ts'
export { json } from './codec/json.ts'
export { msgpack } from './codec/msgpack.ts'
export type { CodecLimits } from './codec/plain.ts'
export {
  type Client,
  type ConnectOptions,
  connect,
  type FailoverClient,
  type FailoverConnectOptions,
  factsOf,
} from './connect.ts'
export {
  type ErrorCode,
  type Executed,
  RPC_CODES,
  type RpcCode,
  RpcError,
  type RpcErrorInfo,
  UserError,
} from './error.ts'
export type { BackoffOptions } from './flow/backoff.ts'
export type { Overflow } from './flow/overflow.ts'
export { type Pace, Paced, type PacedSource, pacedMap } from './flow/paced.ts'
export { Gap, isTransient, type Resubscribed, type ResubscribeOptions, resubscribe } from './flow/resubscribe.ts'
export type { LogFields, Logger } from './logger.ts'
export type { U64 } from './protocol/bytes.ts'
export type { ErrorsKind } from './protocol/errors-kind.ts'
export type { FrameLimits } from './protocol/heads.ts'
export type { CallShape } from './protocol/shape.ts'
export { RpcServer, type RpcServerOptions } from './rpc-server.ts'
export {
  type Authenticate,
  type Credentials,
  SERVER_DEFAULTS,
  type ServerConfig,
} from './server/config.ts'
export {
  CallRefused,
  type Dispatch,
  dispatchTable,
  type Peer,
  ReplyWithBlob,
  type ServerCall,
  type ServerInterceptor,
} from './server/dispatch.ts'
export type { Listening, ServerStats } from './server/server.ts'
export { Call, catchUserError, type ErrorOf, isUserError } from './service/call.ts'
export type {
  BlobCallOptions,
  CallOptions,
  ItemsOf,
  ServiceClient,
  StreamCallOptions,
  UseOptions,
  WithBlob,
} from './service/client.ts'
export {
  type AnyMethod,
  type BlobKind,
  type Contract,
  type Errno,
  type MethodData,
  service,
  type TypeOf,
  type,
  type Unary,
  type UnaryDescription,
  type UnaryOptions,
  unary,
} from './service/contract.ts'
export {
  type BlobHandlerCall,
  type Handler,
  type HandlerAnswer,
  type HandlerCall,
  type HandlerItems,
  type Handlers,
  type Implementation,
  implement,
  type StreamHandlerCall,
  type UploadHandlerCall,
} from './service/handlers.ts'
export {
  type Duplex,
  type DuplexDescription,
  duplex,
  type ItemsOptions,
  type Stream,
  type StreamDescription,
  type StreamOptions,
  stream,
  type Upload,
  type UploadDescription,
  upload,
} from './service/streaming.ts'
export type { Bound, Dialer, Link, Listener, Refused } from './transport/link.ts'
export { type MemoryOptions, memoryDialer, memoryListener, memoryPair } from './transport/memory.ts'
export {
  type WebSocketConstructor,
  type WebSocketDialerOptions,
  webSocketDialer,
} from './transport/websocket-client.ts'
export type { WebSocketLike } from './transport/websocket-link.ts'
