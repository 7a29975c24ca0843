/**
 * Services of a user's own module, for `razor serve --module`.
 */
import { existsSync } from 'node:fs'
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
  if (!existsSync(file)) throw new UsageError(`there is no --module ${file}: name a JavaScript module that is there`)
  try {
    exported = await import(pathToFileURL(resolve(file)).href)
  } catch (error) {
    const { code, message } =
      error instanceof Error ? (error as NodeJS.ErrnoException) : { code: undefined, message: String(error) }
    const isTyped = code === 'ERR_UNKNOWN_FILE_EXTENSION' && /ts$/.test(file)
    const step = isTyped ? 'compile it first, or start this by node --import tsx' : 'see that node can run it'
    throw new UsageError(`cannot load --module ${file}: ${message}; ${step}`)
  }
  // A module may export the same thing twice, by name and as its default.
  const found = new Set(Object.values(exported).flat().filter(isImplementation))
  if (found.size === 0)
    throw new UsageError(`--module ${file} exports nothing that implement() made: export what it returns`)
  return [...found]
}

function isImplementation(value: unknown): value is Implementation {
  if (typeof value !== 'object' || value === null) return false
  const { contract, handlers } = value as Partial<Implementation>
  return typeof contract?.methods === 'object' && typeof handlers === 'object'
}
