/**
 * Where the numbers come from: without it they cannot be read.
 */
import { readFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, loadavg, platform, release } from 'node:os'

const PACKAGES = ['ws', 'msgpackr', 'rxjs', 'bufferutil', 'socket.io']

export function machine() {
  return {
    node: process.version,
    system: `${platform()} ${release()} ${arch()}`,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    loadAverage: Number((loadavg()[0] ?? 0).toFixed(2)),
    packages: Object.fromEntries(PACKAGES.map(name => [name, versionOf(name)])),
  }
}

/** `none` where it is not installed: `bufferutil` decides the blob column of all WebSocket systems. */
function versionOf(name) {
  try {
    return JSON.parse(readFileSync(new URL(`../../node_modules/${name}/package.json`, import.meta.url), 'utf8')).version
  } catch (error) {
    if (error.code === 'ENOENT') return 'none'
    throw error
  }
}

export function machineLines({ node, system, cores, cpu, loadAverage, packages }) {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`)
  return [`node ${node}, ${cores} cores (${cpu}), ${system}, load ${loadAverage}`, versions.join(', ')]
}
