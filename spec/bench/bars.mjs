/**
 * The bars that `--check` holds the library to: the median, over the rounds, of `system` divided by `against` in one column
 * of measures.mjs. `atLeast` where more is better, `atMost` where less is.
 */
export const BARS = [
  { system: 'razor ws', against: 'ws floor', column: 'unary/s W128', atLeast: 1.5 },
  { system: 'razor tcp', against: 'tcp limit', column: 'unary/s W128', atLeast: 0.8 },
  { system: 'razor ws', against: 'ws floor', column: 'stream items/s', atLeast: 5 },
]
