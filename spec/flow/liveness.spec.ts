/**
 * When a link is given up: rows of figures, one a tick, and the verdict of the last.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type LinkFigures, Liveness, type LivenessLimits, type Verdict } from '../../lib/flow/liveness.ts'

const LIMITS: LivenessLimits = {
  tickMs: 1_000,
  readTimeoutMs: 5_000,
  drainTimeoutMs: 10_000,
  maxUnsentBytes: 1_000_000,
  silenceMs: 55_000,
}

/** A link at a frame border with nothing on its way. */
const QUIET: LinkFigures = {
  receivedBytes: 0,
  frames: 0,
  heldBytes: 0,
  frameBytes: 20,
  writtenBytes: 0,
  unsentBytes: 0,
  paused: false,
}

/** What a tick sees; what is not given is as in {@link QUIET}. */
type Row = Partial<LinkFigures>

/** The first verdict of so many ticks, and at which it fell. */
function judged(
  ticks: number,
  row: (tick: number) => Row,
  limits: Partial<LivenessLimits> = {},
): { readonly tick: number; readonly verdict: Verdict } | undefined {
  const liveness = new Liveness({ ...LIMITS, ...limits })
  for (let tick = 1; tick <= ticks; tick++) {
    const verdict = liveness.tick({ ...QUIET, ...row(tick) })
    if (verdict !== undefined) return { tick, verdict }
  }
  return undefined
}

interface Case {
  readonly name: string
  readonly row: (tick: number) => Row
  readonly limits?: Partial<LivenessLimits>
  readonly tick: number
  readonly verdict: Verdict
}

const MIB = 1024 * 1024

/** Bytes 1 to 8 of a frame of 100 came in the first tick. */
const BEGUN: Row = { receivedBytes: 8, heldBytes: 8, frameBytes: 100 }

const GIVEN_UP: readonly Case[] = [
  {
    name: 'a link on which no byte ever comes',
    row: () => ({}),
    tick: 55,
    verdict: { kind: 'silent', message: 'no byte came for 55000 ms' },
  },
  {
    name: 'a link that falls silent, counted from its last byte',
    row: tick => ({ receivedBytes: Math.min(tick, 10) }),
    tick: 65,
    verdict: { kind: 'silent', message: 'no byte came for 55000 ms' },
  },
  {
    name: 'a silent link, at the whole tick after a limit that is none',
    row: () => ({}),
    limits: { silenceMs: 2_500 },
    tick: 3,
    verdict: { kind: 'silent', message: 'no byte came for 2500 ms' },
  },
  {
    name: 'a frame that stands still from its first bytes on',
    row: () => BEGUN,
    tick: 6,
    verdict: { kind: 'stalled', message: '8 of 100 bytes of a frame came, and none in readTimeoutMs 5000' },
  },
  {
    name: 'a frame that gets on for a while and then stands still',
    row: tick => {
      const bytes = Math.min(tick, 12)
      return { receivedBytes: bytes, heldBytes: bytes, frameBytes: 100 }
    },
    tick: 17,
    verdict: { kind: 'stalled', message: '12 of 100 bytes of a frame came, and none in readTimeoutMs 5000' },
  },
  {
    name: 'a frame that trickles, one byte a second (A5)',
    row: tick => ({ receivedBytes: tick, heldBytes: tick, frameBytes: 1_000 }),
    tick: 32, // incomplete from the first tick to the 32nd: 31 s, over 30 s and 15 ms
    verdict: { kind: 'stalled', message: '32 of 1000 bytes of a frame came within 30015 ms' },
  },
  {
    name: 'a large frame that trickles, after a second more for each 64 KiB of it',
    row: tick => ({ receivedBytes: tick, heldBytes: tick, frameBytes: MIB }),
    tick: 47,
    verdict: { kind: 'stalled', message: '47 of 1048576 bytes of a frame came within 46000 ms' },
  },
  {
    name: 'a frame that trickles, within a limit of its own',
    row: tick => ({ receivedBytes: tick, heldBytes: tick, frameBytes: 0 }),
    limits: { frameTimeoutMs: 3_000 },
    tick: 4,
    verdict: { kind: 'stalled', message: '4 of 0 bytes of a frame came within 3000 ms' },
  },
  {
    name: 'output that does not leave',
    row: tick => ({ receivedBytes: tick, writtenBytes: 500, unsentBytes: 500 }),
    tick: 11,
    verdict: { kind: 'undrained', message: 'none of 500 unsent bytes left within drainTimeoutMs 10000' },
  },
  {
    name: 'output that does not leave while more is written',
    row: tick => ({ receivedBytes: tick, writtenBytes: 500 * tick, unsentBytes: 500 * tick }),
    tick: 11,
    verdict: { kind: 'undrained', message: 'none of 5500 unsent bytes left within drainTimeoutMs 10000' },
  },
  {
    name: 'output that does not leave while reading stands still',
    row: () => ({ paused: true, writtenBytes: 500, unsentBytes: 500 }),
    tick: 11,
    verdict: { kind: 'undrained', message: 'none of 500 unsent bytes left within drainTimeoutMs 10000' },
  },
  {
    name: 'too much output, at once',
    row: () => ({ writtenBytes: 1_000_001, unsentBytes: 1_000_001 }),
    tick: 1,
    verdict: { kind: 'undrained', message: '1000001 unsent bytes are over maxUnsentBytes 1000000' },
  },
]

const KEPT: readonly { readonly name: string; readonly row: (tick: number) => Row }[] = [
  { name: 'a byte every 54 ticks', row: tick => ({ receivedBytes: Math.floor(tick / 54) }) },
  {
    name: 'a frame that needs 5 ticks for each byte, and is whole at last',
    row: tick => {
      const bytes = Math.floor(tick / 5) + 1
      return { receivedBytes: bytes, heldBytes: bytes % 6, frameBytes: 6, frames: Math.floor(bytes / 6) }
    },
  },
  {
    name: 'always an incomplete frame, but always another one',
    row: tick => ({ receivedBytes: tick * 50, frames: tick, heldBytes: 10, frameBytes: 100 }),
  },
  {
    name: 'as much unsent output as allowed, of which a byte leaves every 10 ticks',
    row: tick => ({ receivedBytes: tick, writtenBytes: 1_000_000 + Math.floor(tick / 10), unsentBytes: 1_000_000 }),
  },
  {
    name: 'output that is always new: what was unsent before has left',
    row: tick => ({ receivedBytes: tick, writtenBytes: 100 * tick, unsentBytes: 100 }),
  },
  {
    name: 'silence while our own output is leaving',
    row: tick => ({ writtenBytes: 5_000, unsentBytes: 5_000 - tick }),
  },
  { name: 'silence while reading stands still', row: () => ({ paused: true }) },
  { name: 'an incomplete frame while reading stands still', row: () => ({ ...BEGUN, paused: true }) },
  {
    name: 'a frame that gets on only between our own pauses',
    row: tick => ({
      receivedBytes: 8 + Math.floor(tick / 40),
      frames: Math.floor(tick / 40),
      heldBytes: 8,
      paused: tick % 40 > 3,
    }),
  },
]

describe('Liveness', () => {
  for (const { name, row, limits, tick, verdict } of GIVEN_UP) {
    it(`gives up ${name}`, () => {
      assert.deepEqual(judged(1_000, row, limits), { tick, verdict })
    })
  }

  for (const { name, row } of KEPT) {
    it(`keeps a link with ${name}`, () => {
      assert.equal(judged(400, row), undefined)
    })
  }

  it('does not count a frame as incomplete for a tick that began within that tick', () => {
    const row = (tick: number): Row => ({
      receivedBytes: tick * 10,
      frames: Math.floor(tick / 2),
      heldBytes: tick % 2 === 1 ? 10 : 0,
      frameBytes: 0,
    })
    assert.equal(judged(400, row, { frameTimeoutMs: 1_000 }), undefined)
  })

  it('does not count output as stuck for a tick that was written within that tick', () => {
    const row = (tick: number): Row => ({
      receivedBytes: tick,
      writtenBytes: Math.ceil(tick / 2) * 10,
      unsentBytes: tick % 2 === 1 ? 10 : 0,
    })
    assert.equal(judged(400, row, { drainTimeoutMs: 1_000 }), undefined)
  })

  it('goes on counting after a pause where it stood before', () => {
    const row = (tick: number): Row => ({ ...BEGUN, paused: tick > 3 && tick <= 50 })
    // Two seconds before the pause, and three after the first tick that saw it over.
    assert.equal(judged(100, row)?.tick, 54)
  })

  it('forgets a frame that came out during a pause', () => {
    const row = (tick: number): Row =>
      tick <= 20
        ? { ...BEGUN, receivedBytes: tick }
        : { receivedBytes: tick, frames: 1, heldBytes: 8, frameBytes: 0, paused: tick < 25 }
    assert.equal(judged(100, row)?.tick, 25 + 30)
  })

  it('tells how long nothing has come, to the tick', () => {
    const liveness = new Liveness(LIMITS)
    const seen: number[] = []
    for (const receivedBytes of [0, 0, 5, 5, 5, 6]) {
      liveness.tick({ ...QUIET, receivedBytes })
      seen.push(liveness.silentMs)
    }
    assert.deepEqual(seen, [1_000, 2_000, 0, 1_000, 2_000, 0])
  })

  it('lets the silence stand still while output leaves, and go on afterwards', () => {
    const liveness = new Liveness(LIMITS)
    const seen: number[] = []
    for (const unsentBytes of [0, 0, 20, 10, 0, 0, 0]) {
      liveness.tick({ ...QUIET, writtenBytes: 100, unsentBytes })
      seen.push(liveness.silentMs)
    }
    assert.deepEqual(seen, [1_000, 2_000, 2_000, 2_000, 2_000, 3_000, 4_000])
  })

  it('judges a process that was stopped for a while by one tick, after what has come', () => {
    const liveness = new Liveness({ ...LIMITS, silenceMs: 2_000 })
    assert.equal(liveness.tick({ ...QUIET, receivedBytes: 1 }), undefined)
    assert.equal(liveness.tick({ ...QUIET, receivedBytes: 1 }), undefined)
    // However long it stood still in between, the bytes that waited were read before this tick.
    assert.equal(liveness.tick({ ...QUIET, receivedBytes: 2 }), undefined)
    assert.equal(liveness.silentMs, 0)
  })

  it('takes the reasons in turn: output first, then the frame, then silence', () => {
    const all = judged(100, () => ({ ...BEGUN, writtenBytes: 9, unsentBytes: 9 }), {
      readTimeoutMs: 10_000,
      silenceMs: 10_000,
    })
    assert.equal(all?.verdict.kind, 'undrained')
    const input = judged(100, () => BEGUN, { readTimeoutMs: 10_000, silenceMs: 10_000 })
    assert.equal(input?.verdict.kind, 'stalled')
  })
})
