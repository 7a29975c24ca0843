/**
 * Figures of this machine, from the package `systeminformation`: an optional dependency, imported when the first figure is asked
 * for, so that nobody needs it who asks for none.
 */
import { loadavg } from 'node:os'
import {
  type Disk,
  type Load,
  type Memory,
  MOST_TOP,
  type Network,
  type Process,
  type Processes,
  type Sample,
} from './host-contract.ts'

/** What is used of the package. */
export interface FigureLibrary {
  currentLoad(): Promise<{ readonly currentLoad: number; readonly cpus: readonly { readonly load: number }[] }>
  mem(): Promise<Readonly<Record<'total' | 'active' | 'available' | 'swaptotal' | 'swapused', number>>>
  networkStats(interfaces: string): Promise<readonly InterfaceFigures[]>
  /** Nothing where the system does not tell. */
  fsStats(): Promise<{ readonly rx_sec: number | null; readonly wx_sec: number | null } | null>
  processes(): Promise<{ readonly all: number; readonly running: number; readonly list: readonly ProcessFigures[] }>
}

interface InterfaceFigures {
  readonly iface: string
  readonly rx_bytes: number
  readonly tx_bytes: number
  readonly rx_sec: number | null
  readonly tx_sec: number | null
}

interface ProcessFigures {
  readonly pid: number
  readonly name: string
  readonly user: string
  readonly cpu: number
  /** In KiB. */
  readonly memRss: number
}

const PACKAGE = 'systeminformation'
/** More network interfaces than that are not told. */
const MOST_INTERFACES = 64

/** The package is not installed. */
export class MissingLibrary extends Error {
  constructor(cause: unknown) {
    super(`figures of this machine need the package ${PACKAGE}: npm install ${PACKAGE}, then start the server again`, {
      cause,
    })
  }
}

/** The package. Rejects with {@link MissingLibrary} where it is not installed. */
export async function importLibrary(): Promise<FigureLibrary> {
  try {
    return await import('systeminformation')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    // Its own parts may be missing too, which is another story.
    if (code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${PACKAGE}'`)) throw new MissingLibrary(error)
    throw error
  }
}

/** How busy the processors are. */
export async function readLoad(library: FigureLibrary): Promise<Load> {
  const { currentLoad, cpus } = await library.currentLoad()
  return {
    averages: loadavg().map(toHundredth),
    percent: toHundredth(currentLoad),
    corePercents: cpus.map(({ load }) => toHundredth(load)),
  }
}

/** All figures but the processes. */
export async function readSample(library: FigureLibrary): Promise<Sample> {
  const [load, memory, network, disk] = await Promise.all([
    readLoad(library),
    readMemory(library),
    readNetwork(library),
    readDisk(library),
  ])
  return { at: Date.now(), load, memory, network, disk }
}

/** The busiest {@link MOST_TOP} processes. Names and numbers only: arguments may hold secrets. */
export async function readProcesses(library: FigureLibrary): Promise<Processes> {
  const { all, running, list } = await library.processes()
  const busiest = [...list].sort((a, b) => b.cpu - a.cpu || b.memRss - a.memRss).slice(0, MOST_TOP)
  const top = busiest.map(
    ({ pid, name, user, cpu, memRss }): Process => ({
      pid,
      name,
      user,
      cpuPercent: toHundredth(cpu),
      memoryBytes: memRss * 1024,
    }),
  )
  return { at: Date.now(), all, running, top }
}

async function readMemory(library: FigureLibrary): Promise<Memory> {
  const { total, active, available, swaptotal, swapused } = await library.mem()
  return {
    totalBytes: total,
    activeBytes: active,
    availableBytes: available,
    swapTotalBytes: swaptotal,
    swapUsedBytes: swapused,
  }
}

async function readNetwork(library: FigureLibrary): Promise<Network[]> {
  const interfaces = await library.networkStats('*')
  return interfaces.slice(0, MOST_INTERFACES).map(({ iface, rx_bytes, tx_bytes, rx_sec, tx_sec }) => ({
    name: iface,
    receivedBytes: rx_bytes,
    sentBytes: tx_bytes,
    receivedBytesPerSecond: rx_sec === null ? null : Math.round(rx_sec),
    sentBytesPerSecond: tx_sec === null ? null : Math.round(tx_sec),
  }))
}

async function readDisk(library: FigureLibrary): Promise<Disk | null> {
  const { rx_sec: read, wx_sec: written } = (await library.fsStats()) ?? { rx_sec: null, wx_sec: null }
  if (read === null || written === null) return null
  return { readBytesPerSecond: Math.round(read), writtenBytesPerSecond: Math.round(written) }
}

function toHundredth(number: number): number {
  return Math.round(number * 100) / 100
}
