/**
 * Builds dist/: ES modules with types, and the page of the dashboard, from a clean folder.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, rmSync } from 'node:fs'
import { buildDashboard } from './dashboard.mjs'

rmSync('dist', { recursive: true, force: true })
const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.node.json'], {
  stdio: 'inherit',
})
if (status !== 0) process.exit(status ?? 1)
if (existsSync('dist/cli/main.js')) chmodSync('dist/cli/main.js', 0o755)
// The page's modules are of no use one by one: its bundle has them.
rmSync('dist/cli/dashboard/page', { recursive: true, force: true })
await buildDashboard('dist/dashboard')
