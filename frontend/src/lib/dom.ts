/** Small DOM helpers. Text only ever enters the page through text nodes and attributes, never as HTML. */

type Child = Node | string | null | undefined;
type Attributes = Record<string, string | boolean | number | null | undefined>;

/** Creates an element; `true` sets an empty attribute, `false` and null leave it out. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
}

/** Django's inline formsets keep an empty row as the template for new ones; it must stay as it is. */
export function isFormsetTemplate(element: Element): boolean {
  const name = element.getAttribute("name") ?? "";
  return name.includes("__prefix__") || element.closest(".empty-form, template") !== null;
}

/**
 * Calls `start` once for every element that matches, now and whenever the page gains content:
 * a formset row, a fragment swapped in by htmx, a region replaced by the refresh script.
 */
export function enhance<T extends HTMLElement>(selector: string, start: (element: T) => void): void {
  const known = new WeakSet<Element>();
  const scan = (): void => {
    for (const element of document.querySelectorAll<T>(selector)) {
      if (known.has(element) || isFormsetTemplate(element)) continue;
      known.add(element);
      start(element);
    }
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", scan, { once: true });
  else scan();
  for (const event of ["formset:added", "htmx:load", "portal:content"]) document.addEventListener(event, scan);
}

/** Tells the other scripts that the page gained content. */
export function announceContent(): void {
  document.dispatchEvent(new CustomEvent("portal:content"));
}

/** Sets the value of a field as if a person had typed it. */
export function setValue(field: HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement, value: string): void {
  if (field.value === value) return;
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new Event("change", { bubbles: true }));
}

export interface Debounced {
  (): void;
  cancel(): void;
}

export function debounce(action: () => void, milliseconds: number): Debounced {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const run = (): void => {
    clearTimeout(timer);
    timer = setTimeout(action, milliseconds);
  };
  return Object.assign(run, { cancel: () => clearTimeout(timer) });
}

let serial = 0;

/** An id that no other element of the page has. */
export function uniqueId(prefix: string): string {
  do serial += 1;
  while (document.getElementById(`${prefix}-${serial}`));
  return `${prefix}-${serial}`;
}

/** True when a key press belongs to what the person is typing. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target;
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName);
}
