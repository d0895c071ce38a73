/** The visual cron editor: one small input for each of the seven fields, bound to the expression both ways. */

import { el, setValue, uniqueId } from "../lib/dom";
import { t } from "../lib/strings";
import { BOUNDS, composeExpression, DEFAULTS, type Field, FIELDS, type Fields, parseExpression } from "./fields";

const HELP_SAMPLES: readonly [string, string][] = [
  ["*", "schedule.help_every"],
  ["1-5", "schedule.help_range"],
  ["1,15", "schedule.help_list"],
  ["*/10", "schedule.help_step"],
];

export class Builder {
  readonly element: HTMLDetailsElement;
  private readonly inputs = new Map<Field, HTMLInputElement>();
  private readonly note = el("p", { class: "portal-cron-note", role: "status", hidden: true }, t("schedule.not_seven_fields"));

  constructor(private readonly expression: HTMLInputElement | HTMLTextAreaElement) {
    const grid = el("div", { class: "portal-cron-grid" }, ...FIELDS.map((field) => this.field(field)));
    const help = HELP_SAMPLES.flatMap(([sample, key]) => [el("dt", {}, el("code", {}, sample)), el("dd", {}, t(key))]);
    this.element = el(
      "details",
      { class: "portal-cron" },
      el("summary", {}, t("schedule.builder")),
      grid,
      this.note,
      el("dl", { class: "portal-cron-help" }, ...help),
    );
    this.read();
  }

  /** Takes the fields over from the expression. */
  read(): void {
    const fields = parseExpression(this.expression.value);
    this.note.hidden = fields !== null || this.expression.value.trim() === "";
    for (const [field, input] of this.inputs) {
      const value = fields?.[field] ?? "";
      const shown = value === DEFAULTS[field] ? "" : value;
      // What a person is typing is left alone when it means the same.
      if (document.activeElement !== input || (input.value.trim() || DEFAULTS[field]) !== value) input.value = shown;
    }
  }

  private write(): void {
    const fields: Partial<Fields> = {};
    for (const [field, input] of this.inputs) fields[field] = input.value;
    setValue(this.expression, composeExpression(fields));
  }

  private field(field: Field): HTMLElement {
    const id = uniqueId("portal-cron");
    // Without a name it is never submitted; the expression is what counts.
    const input = el("input", {
      id,
      type: "text",
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
      placeholder: DEFAULTS[field],
      "aria-describedby": `${id}-help`,
    });
    input.addEventListener("input", (event) => {
      event.stopPropagation();
      this.write();
    });
    input.addEventListener("change", (event) => event.stopPropagation());
    this.inputs.set(field, input);
    return el(
      "div",
      { class: "portal-cron-field" },
      el("label", { for: id }, t(`schedule.${field}`)),
      input,
      el("small", { id: `${id}-help` }, BOUNDS[field]),
    );
  }
}
