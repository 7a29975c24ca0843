/**
 * Elements of the page: those it has, by name and kind, and new ones. Text goes in as text, never as markup.
 */

/** The element of that name; throws where there is none of that kind, which is a fault of the page. */
export function element<E extends HTMLElement = HTMLElement>(
  id: string,
  kind: new () => E = HTMLElement as unknown as new () => E,
): E {
  const found = document.getElementById(id)
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} ${id}`)
  return found
}

/** A new element with attributes and children. */
export function made<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const fresh = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) fresh.setAttribute(key, value)
  fresh.append(...children)
  return fresh
}

/** Says something where it has changed, so that nothing is read out or laid out twice. */
export function say(place: HTMLElement, text: string): void {
  if (place.textContent !== text) place.textContent = text
}

/** Marks an element `good`, `warn`, `bad` or `plain`. */
export function tone(place: HTMLElement, name: string): void {
  if (place.dataset['tone'] !== name) place.dataset['tone'] = name
}
