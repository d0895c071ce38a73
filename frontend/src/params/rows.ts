/** Rows of key and value above a JSON text field, bound both ways; text that is no JSON object is edited as text. */

import { el, setValue } from "../lib/dom";
import { t } from "../lib/strings";
import { type Mode, type Pair, repeatedKeys, toJson, toPairs } from "./pairs";

export class ParamRows {
  private readonly list = el("div", { class: "portal-params-list" });
  private readonly note = el("p", { class: "portal-params-note", role: "status" });
  private readonly add = el("button", { type: "button", class: "portal-params-button" }, t("params.add"));
  private readonly raw = el("button", { type: "button", class: "portal-params-button", "aria-pressed": "false" }, t("params.as_json"));
  private readonly mode: Mode;
  private writing = false;

  constructor(private readonly area: HTMLTextAreaElement) {
    this.mode = area.dataset["paramsJson"] === "texts" ? "texts" : "json";
    const buttons = el("div", { class: "portal-params-buttons" }, this.add, this.raw);
    area.before(el("div", { class: "portal-params" }, this.list, this.note, buttons));
    this.add.addEventListener("click", () => this.addRow({ key: "", value: "" })?.focus());
    this.raw.addEventListener("click", () => this.showRaw(!this.isRaw));
    area.addEventListener("input", () => this.areaChanged());
    area.addEventListener("change", () => this.areaChanged());
    area.form?.addEventListener("reset", () => setTimeout(() => this.showRaw(!this.read())));
    this.showRaw(!this.read());
  }

  private get isRaw(): boolean {
    return this.raw.getAttribute("aria-pressed") === "true";
  }

  private showRaw(raw: boolean): void {
    if (!raw && !this.read()) {
      this.note.textContent = t("params.not_an_object");
      raw = true;
    } else {
      this.note.textContent = "";
    }
    this.raw.setAttribute("aria-pressed", String(raw));
    this.area.hidden = !raw;
    this.list.hidden = raw;
    this.add.hidden = raw;
  }

  /** Takes the rows over from the text; false when it is no JSON object. */
  private read(): boolean {
    const pairs = toPairs(this.area.value, this.mode);
    if (!pairs) return false;
    this.list.replaceChildren();
    for (const pair of pairs) this.addRow(pair);
    return true;
  }

  private areaChanged(): void {
    if (!this.writing && !this.isRaw) this.showRaw(!this.read());
  }

  private pairs(): Pair[] {
    return [...this.list.children].map((row) => {
      const [key, value] = row.querySelectorAll("input");
      return { key: key?.value ?? "", value: value?.value ?? "" };
    });
  }

  private write(): void {
    const pairs = this.pairs();
    this.writing = true;
    setValue(this.area, toJson(pairs, this.mode));
    this.writing = false;
    const repeated = repeatedKeys(pairs);
    this.note.textContent = repeated.length > 0 ? t("params.repeated", { keys: repeated.join(", ") }) : "";
  }

  private addRow(pair: Pair): HTMLInputElement {
    // Without names these fields are never submitted; the text field is what counts.
    const key = el("input", { type: "text", "aria-label": t("params.key"), placeholder: t("params.key"), autocomplete: "off", spellcheck: "false" });
    const value = el("input", { type: "text", "aria-label": t("params.value"), placeholder: t("params.value"), autocomplete: "off", spellcheck: "false" });
    const remove = el("button", { type: "button", class: "portal-params-button", "aria-label": t("params.remove"), title: t("params.remove") }, "×");
    key.value = pair.key;
    value.value = pair.value;
    const row = el("div", { class: "portal-params-row" }, key, value, remove);
    row.addEventListener("input", (event) => {
      event.stopPropagation();
      this.write();
    });
    remove.addEventListener("click", () => {
      const next = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      this.write();
      (next?.querySelector("input") ?? this.add).focus();
    });
    this.list.append(row);
    return key;
  }
}
