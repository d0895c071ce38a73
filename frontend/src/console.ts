/**
 * The query console: `<form data-console data-stop-url>`, `[data-console-run]`, `[data-console-stop]`, `[data-console-status]`,
 * and `[data-console-result]`, which takes the answer. Ctrl+Enter (or Cmd) runs. Buttons with `data-console-plain` (a file,
 * another page) are sent as usual. Without this script every button posts the form, and the page comes back with the answer.
 */

import { announceContent, enhance } from "./lib/dom";
import { t } from "./lib/strings";
import { parseFragment } from "./refresh/patch";

const TICK_MS = 200;
const STOP_AGAIN_MS = 700;

class Console {
  private readonly run = this.part<HTMLButtonElement>("run");
  private readonly stop = this.part<HTMLButtonElement>("stop");
  private readonly status = this.part<HTMLElement>("status");
  private readonly result = this.part<HTMLElement>("result");
  private isBusy = false;

  constructor(private readonly form: HTMLFormElement) {
    form.addEventListener("submit", (event) => this.submitted(event));
    document.addEventListener("keydown", (event) => this.pressed(event), true); // before a code editor takes it
    this.stop?.addEventListener("click", () => void this.askToStop());
  }

  private part<T extends HTMLElement>(name: string): T | null {
    return document.querySelector<T>(`[data-console-${name}]`);
  }

  private pressed(event: KeyboardEvent): void {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.repeat) return;
    if (!(event.target instanceof Node) || !this.form.contains(event.target)) return;
    event.preventDefault();
    event.stopPropagation();
    if (!this.isBusy) this.form.requestSubmit(this.run);
  }

  private submitted(event: SubmitEvent): void {
    const button = event.submitter instanceof HTMLButtonElement ? event.submitter : this.run;
    if (button?.hasAttribute("data-console-plain")) return;
    event.preventDefault();
    if (!this.isBusy) void this.send(button);
  }

  private async send(button: HTMLButtonElement | null): Promise<void> {
    const values = new FormData(this.form, button);
    this.setBusy(true);
    const began = Date.now();
    const ticking = setInterval(() => this.say(t("console.running", { seconds: Math.floor((Date.now() - began) / 1000) })), TICK_MS);
    try {
      this.show(await this.answer(values));
      this.say("");
    } catch {
      this.say(t("console.failed"));
    } finally {
      clearInterval(ticking);
      this.setBusy(false);
    }
  }

  private async answer(values: FormData): Promise<string> {
    const response = await fetch(this.form.action, {
      method: "POST",
      body: values,
      headers: { "X-Requested-With": "XMLHttpRequest" },
      credentials: "same-origin",
      cache: "no-store",
    });
    // A session that ended is answered with the log-in page, by way of a redirect.
    if (!response.ok || response.redirected) throw new Error(String(response.status));
    return response.text();
  }

  private show(html: string): void {
    this.result?.replaceChildren(parseFragment(html));
    announceContent();
    this.result?.scrollIntoView({ block: "nearest" });
  }

  /** The query may be on its way: it is asked again until the answer is there. */
  private async askToStop(): Promise<void> {
    const values = new FormData();
    for (const name of ["key", "csrfmiddlewaretoken"]) values.set(name, String(new FormData(this.form).get(name) ?? ""));
    const url = this.form.dataset["stopUrl"] ?? "";
    if (this.stop) this.stop.disabled = true;
    while (this.isBusy) {
      try {
        await fetch(url, { method: "POST", body: values, credentials: "same-origin" });
      } catch {
        // tried again below
      }
      await new Promise((done) => setTimeout(done, STOP_AGAIN_MS));
    }
  }

  private setBusy(isBusy: boolean): void {
    this.isBusy = isBusy;
    this.form.setAttribute("aria-busy", String(isBusy));
    if (this.stop) {
      this.stop.hidden = !isBusy;
      this.stop.disabled = false;
    }
    for (const button of document.querySelectorAll<HTMLButtonElement>("button[name=mode]")) button.disabled = isBusy;
  }

  private say(text: string): void {
    if (this.status && this.status.textContent !== text) this.status.textContent = text;
  }
}

enhance<HTMLFormElement>("form[data-console]", (form) => void new Console(form));
