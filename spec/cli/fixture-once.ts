/** A user's module: a method that takes some time, and leaves a line in a file each time it runs. */
import { appendFileSync } from 'node:fs'
import { map, of, timer } from 'rxjs'
import { implement, service, unary } from '../../lib/node/index.ts'

export const Once = service('Once', { run: unary<{ id: number; file: string }, number>() })

export const once = implement(Once, {
  run: ({ id, file }) => {
    appendFileSync(file, `${id}\n`)
    return id % 2 === 0 ? of(id) : timer(id % 20).pipe(map(() => id))
  },
})
