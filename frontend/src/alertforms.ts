/**
 * The forms of alerts: what a selector fits now (`[data-fits-preview data-url]`), and what a message will say
 * (`[data-message-preview data-url]` with `[data-preview-subject]`, `[data-preview-body]`, `[data-preview-note]`).
 * Both ask the server while somebody types; without this script a button of the page asks.
 */

import { announceContent, debounce, enhance } from "./lib/dom";
import { getHtml, getJson, RequestFailed } from "./lib/http";
import { t } from "./lib/strings";
import { parseFragment } from "./refresh/patch";
import { bodyOf } from "./alertforms/body";

const DELAY_MS = 400;

interface Fits {
  ok: boolean;
  text?: string;
  error?: string;
}

interface Message extends Fits {
  subject?: string;
  body?: string;
  note?: string;
}

/** Asks now and after each change of one of the named fields; answers that come late are dropped. */
function watch<T>(output: HTMLElement, names: (name: string) => boolean, show: (answer: T) => void): void {
  const form = output.closest("form");
  const url = output.dataset["url"];
  if (!form || !url) return;
  let pending: AbortController | undefined;
  const ask = async (): Promise<void> => {
    pending?.abort();
    const mine = (pending = new AbortController());
    try {
      const answer = await getJson<T>(url, { signal: mine.signal, body: bodyOf(form, names, output.dataset["object"]) });
      if (!mine.signal.aborted) show(answer);
    } catch (error) {
      if (!(error instanceof RequestFailed || error instanceof DOMException)) throw error;
    }
  };
  const later = debounce(() => void ask(), DELAY_MS);
  const changed = (event: Event): void => {
    const name = event.target instanceof Element ? event.target.getAttribute("name") : null;
    if (name !== null && names(name)) later();
  };
  form.addEventListener("input", changed);
  form.addEventListener("change", changed);
  const jquery = (window as { django?: { jQuery?: (form: HTMLFormElement) => { on(name: string, act: () => void): void } } }).django?.jQuery;
  jquery?.(form).on("change", later); // select2 speaks jQuery only
  void ask();
}

function startFits(output: HTMLElement): void {
  watch<Fits>(output, (name) => name.startsWith("selector_"), (answer) => {
    output.textContent = answer.text ?? answer.error ?? "";
    output.classList.toggle("p-error", !answer.ok);
  });
}

const MESSAGE_FIELDS = new Set(["subject_template", "body_template", "job", "alert_rule", "triggers", "concerns"]);

function startMessage(output: HTMLElement): void {
  const part = (name: string): HTMLElement | null => output.querySelector<HTMLElement>(`[data-preview-${name}]`);
  watch<Message>(output, (name) => MESSAGE_FIELDS.has(name), (answer) => {
    const note = part("note");
    if (note) {
      note.textContent = answer.ok ? (answer.note ?? "") : (answer.error ?? "");
      note.classList.toggle("p-error", !answer.ok);
    }
    if (!answer.ok) return;
    for (const name of ["subject", "body"] as const) {
      const place = part(name);
      if (place) place.textContent = answer[name] ?? "";
    }
  });
}

enhance("[data-fits-preview]", startFits);
enhance("[data-message-preview]", startMessage);

/** `<button data-part="id">` posts its form and puts the answer into that element; without this script it opens a window. */
function startPart(button: HTMLButtonElement): void {
  const form = button.form;
  const place = document.getElementById(button.dataset["part"] ?? "");
  if (!form || !place) return;
  const ask = async (): Promise<void> => {
    button.disabled = true;
    place.setAttribute("aria-busy", "true");
    try {
      const values = new FormData(form);
      values.set(button.name, button.value);
      place.replaceChildren(parseFragment(await getHtml(button.formAction, values)));
      announceContent();
      place.scrollIntoView({ block: "nearest" });
      place.focus({ preventScroll: true });
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      place.textContent = t("console.failed");
    } finally {
      button.disabled = false;
      place.removeAttribute("aria-busy");
    }
  };
  button.addEventListener("click", (event) => {
    event.preventDefault();
    void ask();
  });
}

enhance<HTMLButtonElement>("button[data-part]", startPart);
