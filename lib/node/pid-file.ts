/**
 * A file with the number of the process that serves: replaced in one step, removed only while it names this process.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'

/** The file at one path. */
export class PidFile {
  readonly path: string
  readonly #staged: string

  constructor(path: string) {
    this.path = path
    this.#staged = `${path}.${process.pid}`
  }

  /** Writes what is to be put in place, so that all that can fail has failed. Throws an `Error` that names the path. */
  stage(): void {
    try {
      writeFileSync(this.#staged, `${process.pid}\n`)
    } catch (error) {
      throw new Error(`cannot write the pid file ${this.path}: ${(error as Error).message}`, { cause: error })
    }
  }

  /** Puts it in place. */
  publish(): void {
    renameSync(this.#staged, this.path)
  }

  /** Removes what this process wrote. Throws what the file system says, unless nothing is there. */
  remove(): void {
    rmSync(this.#staged, { force: true })
    if (this.#names() === process.pid) rmSync(this.path, { force: true })
  }

  #names(): number | undefined {
    try {
      return Number(readFileSync(this.path, 'utf8'))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }
}
