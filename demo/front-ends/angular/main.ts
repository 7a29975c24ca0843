/** The load of the server, once a second, in Angular. */
import '@angular/compiler' // templates are compiled in the page: a build with `ng` needs no such line
import { Component, inject, signal } from '@angular/core'
import { toObservable, toSignal } from '@angular/core/rxjs-interop'
import { bootstrapApplication } from '@angular/platform-browser'
import { EMPTY, map, switchMap } from 'rxjs'
import { HostService } from './host.service.ts'

@Component({
  selector: 'app-root',
  template: `
    <p>the server is {{ host.status().state }}</p>
    <p>9 / 2 = {{ quotient() }}</p>
    @if (isShown()) {
      <p>load {{ load() ?? 'comes' }}</p>
    }
    <button type="button" (click)="isShown.set(!isShown())">{{ isShown() ? 'stop' : 'start' }}</button>
  `,
})
class App {
  readonly host = inject(HostService)
  readonly isShown = signal(true)
  readonly quotient = toSignal(this.host.div(9, 2))
  // A signal is read by the template; switchMap unsubscribes, on the server too.
  readonly load = toSignal(
    toObservable(this.isShown).pipe(
      switchMap(isShown => (isShown ? this.host.loads(1000) : EMPTY)),
      map(([lastMinute]) => lastMinute),
    ),
  )
}

document.body.append(document.createElement('app-root'))
bootstrapApplication(App).catch((error: unknown) => console.error(error))
