/**
 * The four shapes of a call, as its request tells them. PROTOCOL.md, "Shapes".
 */

/** One answer to one question; items down; items up; items both ways. */
export type CallShape = 'unary' | 'stream' | 'upload' | 'duplex'
