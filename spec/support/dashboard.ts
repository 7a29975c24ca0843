/**
 * A dashboard for a spec: its page built once for the process, and everything gone when the spec ends.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Dashboard } from '../../lib/cli/dashboard/dashboard.ts'

/** A dashboard, and what it said that no caller was told. */
export interface OpenDashboard {
  readonly dashboard: Dashboard
  readonly failures: readonly unknown[]
  /** Closes it, and removes its page. */
  close(): Promise<void>
}

/** The bundler, which is a script of this repository and has no types. */
async function bundler(): Promise<{ buildDashboard(folder: string): Promise<void> }> {
  return import(new URL('../../tools/dashboard.mjs', import.meta.url).href)
}

/** Builds the page into a folder of its own. */
export async function builtPage(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'razor-page-'))
  await (await bundler()).buildDashboard(folder)
  return folder
}

/** Opens a dashboard at a free port, with the real page, or with files that only have its names. */
export async function openDashboard(pageKind: 'real' | 'empty' = 'real'): Promise<OpenDashboard> {
  const page = pageKind === 'real' ? await builtPage() : mkdtempSync(join(tmpdir(), 'razor-page-'))
  if (pageKind === 'empty') {
    for (const file of ['index.html', 'page.js', 'page.css', 'icon.svg']) writeFileSync(join(page, file), `the ${file}`)
  }
  const failures: unknown[] = []
  const dashboard = await Dashboard.open({ port: 0, page, failed: error => failures.push(error) })
  return {
    dashboard,
    failures,
    close: async () => {
      await dashboard.close()
      rmSync(page, { recursive: true })
    },
  }
}
