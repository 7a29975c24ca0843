/**
 * Services of a user's own module, for `razor serve --module`.
 */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Implementation } from '../service/handlers.ts'
import { UsageError } from './failure.ts'

/**
 * Everything a module exports that `implement` made, by whatever name, alone or in arrays. Throws a {@link UsageError} that
 * names the file where it cannot be loaded or exports none.
 */
export async function loadServices(file: string): Promise<Implementation[]> {
  let exported: Record<string, unknown>
  try {
    exported = await import(pathToFileURL(resolve(file)).href)
  } catch (error) {
    throw new UsageError(`cannot load --module ${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
  // A module may export the same thing twice, by name and as its default.
  const found = new Set(Object.values(exported).flat().filter(isImplementation))
  if (found.size === 0) throw new UsageError(`--module ${file} exports nothing that implement() made`)
  return [...found]
}

function isImplementation(value: unknown): value is Implementation {
  if (typeof value !== 'object' || value === null) return false
  const { contract, handlers } = value as Partial<Implementation>
  return typeof contract?.methods === 'object' && typeof handlers === 'object'
}
