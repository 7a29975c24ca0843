/**
 * The three ways in which a handler's own errors travel. PROTOCOL.md, "Errors".
 */

/** As a number in the head (flag 1), as text, or as a value that the codec encoded (both flag 2). */
export type ErrorsKind = 'errno' | 'text' | 'coded'
