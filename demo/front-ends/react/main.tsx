/** The load of the server, once a second, in React. */
import { connect } from 'razor-rx'
import { type ReactElement, useMemo, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { Host } from '../../contract.ts'
import { useCall } from './use-call.ts'

const client = connect(new URL('/rpc', location.href.replace(/^http/, 'ws')).href)
const host = client.use(Host)
const quotient$ = host.div([9, 2])

function Load({ everyMs }: { readonly everyMs: number }): ReactElement {
  const { value, error } = useCall(useMemo(() => host.loads({ everyMs }), [everyMs]))
  if (error !== undefined) return <p role="alert">{error.message}</p>
  return <p>load {value?.[0] ?? 'comes'}</p>
}

function Quotient(): ReactElement {
  const { value, error } = useCall(quotient$)
  return <p>9 / 2 = {error?.message ?? value}</p>
}

function App(): ReactElement {
  const [isShown, show] = useState(true)
  const { value: status } = useCall(client.status$)
  return (
    <main>
      <p>the server is {status?.state}</p>
      <Quotient />
      {isShown && <Load everyMs={1000} />}
      <button type="button" onClick={() => show(!isShown)}>
        {isShown ? 'stop' : 'start'}
      </button>
    </main>
  )
}

createRoot(document.body.appendChild(document.createElement('div'))).render(<App />)
