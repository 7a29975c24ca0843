/**
 * Where a command's server listens; and where it cannot, why, and what to do.
 */
import { UsageError } from './failure.ts'

/** What to do, by what the message names; the first that is found counts. */
const STEPS: readonly (readonly [RegExp, string])[] = [
  [/EADDRINUSE/, 'another server runs there: stop it, or choose another address with --listen URL'],
  [/ENOENT/, 'make its folder first, or choose another path with --listen URL'],
  [/ENOTFOUND|EAI_AGAIN/, 'no such host is known: mend its name'],
  [/./, 'choose an address of this machine, and a port or a path that you may have, with --listen URL'],
]

/** Makes `server` listen at what `--listen` names, and resolves to the address as it is then. An address that is none is a {@link UsageError}. */
export async function listenAt<O>(
  server: { listen(address: string, options?: O): Promise<{ readonly address: string }> },
  address: string,
  options?: O,
): Promise<string> {
  try {
    return (await server.listen(address, options)).address
  } catch (error) {
    const { message, cause } = error as Error
    if (cause instanceof TypeError)
      throw new UsageError(`cannot listen: ${cause.message}; give another with --listen URL`)
    if (error instanceof TypeError) throw new UsageError(`${message}; give another with --listen URL`)
    throw new Error(`${message}; ${STEPS.find(([sign]) => sign.test(message))?.[1]}`)
  }
}
