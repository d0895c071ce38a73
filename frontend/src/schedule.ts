/**
 * The schedule editor: `<div data-schedule-editor data-preview-url="…">` around fields named …-kind, …-expression and
 * …-timezone, with buttons `[data-preset]`, an optional `[data-natural]` input and an output `[data-schedule-preview]`.
 */

import { debounce, el, enhance, setValue, uniqueId } from "./lib/dom";
import { getJson, RequestFailed, withQuery } from "./lib/http";
import { addStyles } from "./lib/styles";
import { Builder } from "./schedule/builder";
import { findParts, type Parts } from "./schedule/parts";
import { type Answer, showAnswer, showTrouble } from "./schedule/preview";
import css from "./schedule/schedule.css?inline";

const DELAY_MS = 250;

class ScheduleEditor {
  private readonly output: HTMLElement;
  private readonly builder: Builder;
  private readonly ask = debounce(() => void this.preview(), DELAY_MS);
  private readonly askNatural = debounce(() => void this.translate(), DELAY_MS);
  private pending: AbortController | undefined;

  constructor(
    private readonly parts: Parts,
    private readonly url: string,
    private readonly cronKind: string,
  ) {
    this.builder = new Builder(parts.expression);
    parts.expression.after(this.builder.element);
    this.output = this.prepareOutput();
    parts.expression.addEventListener("input", () => {
      this.builder.read();
      this.ask();
    });
    for (const field of [parts.kind, parts.timezone, parts.calendar, parts.calendarPolicy]) {
      field?.addEventListener("input", this.ask);
      field?.addEventListener("change", () => this.fieldChanged());
    }
    parts.natural?.addEventListener("input", this.askNatural);
    parts.scope.addEventListener("click", (event) => this.pressed(event));
    this.showKind();
    if (parts.expression.value.trim()) void this.preview();
  }

  private prepareOutput(): HTMLElement {
    const output = this.parts.preview ?? el("div", { "data-schedule-preview": true });
    if (!this.parts.preview) this.builder.element.after(output);
    output.id ||= uniqueId("portal-schedule");
    output.classList.add("portal-schedule-preview");
    output.setAttribute("aria-live", "polite");
    const described = this.parts.expression.getAttribute("aria-describedby");
    this.parts.expression.setAttribute("aria-describedby", [described, output.id].filter(Boolean).join(" "));
    return output;
  }

  private get isCron(): boolean {
    return !this.parts.kind || this.parts.kind.value === this.cronKind;
  }

  private showKind(): void {
    this.builder.element.hidden = !this.isCron;
  }

  private fieldChanged(): void {
    this.showKind();
    this.ask();
  }

  private pressed(event: MouseEvent): void {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-preset]") : null;
    if (!button) return;
    event.preventDefault();
    if (this.parts.kind) setValue(this.parts.kind, button.dataset["presetKind"] ?? this.cronKind);
    setValue(this.parts.expression, button.dataset["preset"] ?? "");
    this.ask.cancel();
    void this.preview();
  }

  private async preview(): Promise<void> {
    const expression = this.parts.expression.value.trim();
    if (!expression) {
      this.pending?.abort();
      this.output.replaceChildren();
      this.markField(true);
      return;
    }
    const answer = await this.request({ expression });
    if (answer) this.markField(answer.ok);
  }

  /** Words such as "every day at nine" become an expression. */
  private async translate(): Promise<void> {
    const natural = this.parts.natural?.value.trim();
    if (!natural) return;
    const answer = await this.request({ natural, expression: "" });
    if (!answer?.ok || !answer.expression) return;
    setValue(this.parts.expression, answer.expression);
    this.ask.cancel(); // the answer to the words describes the expression already
    this.markField(true);
  }

  private async request(question: Record<string, string>): Promise<Answer | null> {
    this.pending?.abort();
    const pending = (this.pending = new AbortController());
    this.output.classList.add("portal-schedule-busy");
    const kind = this.parts.kind?.value ?? this.cronKind;
    const timezone = this.parts.timezone?.value ?? "";
    let answer: Answer | null = null;
    try {
      const calendar = this.parts.calendar?.value ?? "";
      const calendar_policy = this.parts.calendarPolicy?.value ?? "";
      const url = withQuery(this.url, { kind, timezone, calendar, calendar_policy, ...question });
      answer = await getJson<Answer>(url, { signal: pending.signal, allow: [400, 422] });
    } catch (error) {
      if (error instanceof RequestFailed) showTrouble(this.output);
    }
    if (pending !== this.pending || pending.signal.aborted) return null;
    this.output.classList.remove("portal-schedule-busy");
    if (answer) showAnswer(this.output, answer);
    return answer;
  }

  private markField(valid: boolean): void {
    if (valid) this.parts.expression.removeAttribute("aria-invalid");
    else this.parts.expression.setAttribute("aria-invalid", "true");
  }
}

const started = new WeakSet<HTMLElement>();

function startAll(block: HTMLElement): void {
  const url = block.dataset["previewUrl"];
  if (!url) return;
  for (const parts of findParts(block)) {
    if (started.has(parts.expression)) continue;
    started.add(parts.expression);
    new ScheduleEditor(parts, url, block.dataset["cronKind"] ?? "cron");
  }
}

addStyles(css);
enhance("[data-schedule-editor]", startAll);
// A block around a whole formset is known already when a row is added to it.
document.addEventListener("formset:added", () => {
  for (const block of document.querySelectorAll<HTMLElement>("[data-schedule-editor]")) {
    if (!block.closest(".empty-form, template")) startAll(block);
  }
});
