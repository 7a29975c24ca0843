/** A call as the state of a component. */
import type { RpcError } from 'razor-rx'
import { useEffect, useState } from 'react'
import type { Observable } from 'rxjs'

/** The answer of a call, or the newest item of a stream. */
export interface CallState<T> {
  readonly value?: T
  readonly error?: RpcError
  readonly isOver: boolean
}

/**
 * Subscribes when the component appears, and anew when `call$` is another; unsubscribes, on the server too, when the component goes.
 * So keep a call from one rendering to the next: `useMemo(() => host.loads({ everyMs }), [everyMs])`.
 */
export function useCall<T>(call$: Observable<T>): CallState<T> {
  const [state, setState] = useState<CallState<T>>({ isOver: false })
  useEffect(() => {
    setState({ isOver: false })
    const call = call$.subscribe({
      next: value => setState({ value, isOver: false }),
      error: (error: RpcError) => setState(before => ({ ...before, error, isOver: true })),
      complete: () => setState(before => ({ ...before, isOver: true })),
    })
    return () => call.unsubscribe()
  }, [call$])
  return state
}
