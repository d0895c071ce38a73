/**
 * The code editor: `<textarea data-editor="python|shell|sql|yaml|json|text" data-error-line="3">`.
 * The textarea stays the field of the form: every change is written back to it, and what changes it changes the editor.
 */

import { indentWithTab } from "@codemirror/commands";
import { json } from "@codemirror/lang-json";
import { python } from "@codemirror/lang-python";
import { sql } from "@codemirror/lang-sql";
import { yaml } from "@codemirror/lang-yaml";
import { defaultHighlightStyle, indentUnit, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { shell } from "@codemirror/legacy-modes/mode/shell";
import { Compartment, EditorState, type Extension, RangeSetBuilder } from "@codemirror/state";
import { oneDark } from "@codemirror/theme-one-dark";
import { Decoration, EditorView, keymap } from "@codemirror/view";
import { basicSetup } from "codemirror";
import css from "./editor/editor.css?inline";
import { el, enhance } from "./lib/dom";
import { t } from "./lib/strings";
import { addStyles } from "./lib/styles";
import { isDark, onThemeChange } from "./lib/theme";

const LANGUAGES: Readonly<Record<string, () => Extension>> = {
  python: () => [python(), indentUnit.of("    ")],
  shell: () => [StreamLanguage.define(shell), indentUnit.of("  ")],
  sql: () => sql(),
  yaml: () => yaml(),
  json: () => json(),
};

function languageOf(area: HTMLTextAreaElement): Extension {
  return LANGUAGES[area.dataset["editor"] ?? ""]?.() ?? [];
}

function themeOf(dark: boolean): Extension {
  return dark ? oneDark : syntaxHighlighting(defaultHighlightStyle, { fallback: true });
}

function lockOf(area: HTMLTextAreaElement): Extension {
  return [EditorState.readOnly.of(area.readOnly || area.disabled), EditorView.editable.of(!area.disabled)];
}

/** Marks the line that the server complained about. */
function errorLine(state: EditorState, line: number): Extension {
  if (!Number.isInteger(line) || line < 1 || line > state.doc.lines) return [];
  const builder = new RangeSetBuilder<Decoration>();
  const at = state.doc.line(line).from;
  builder.add(at, at, Decoration.line({ class: "portal-editor-error" }));
  return EditorView.decorations.of(builder.finish());
}

class Editor {
  private readonly view: EditorView;
  private readonly language = new Compartment();
  private readonly theme = new Compartment();
  private readonly lock = new Compartment();
  private readonly error = new Compartment();
  private writing = false;

  constructor(private readonly area: HTMLTextAreaElement) {
    const hint = el("p", { class: "portal-editor-hint" }, t("editor.keyboard_hint"));
    this.view = new EditorView({ state: this.state() });
    const host = el("div", { class: "portal-editor" }, this.view.dom, hint);
    area.after(host);
    area.classList.add("portal-editor-source");
    area.tabIndex = -1;
    area.addEventListener("input", () => this.read());
    area.addEventListener("change", () => this.read());
    area.addEventListener("focus", () => this.view.focus()); // a label, or the browser's validation
    area.form?.addEventListener("reset", () => setTimeout(() => this.read()));
    onThemeChange((dark) => this.view.dispatch({ effects: this.theme.reconfigure(themeOf(dark)) }));
    document.addEventListener("portal:shown", () => this.view.requestMeasure());
    this.followAttributes();
    this.markError();
    if (area.autofocus) this.view.focus();
  }

  private state(): EditorState {
    const { area } = this;
    return EditorState.create({
      doc: area.value,
      extensions: [
        basicSetup,
        keymap.of([indentWithTab]),
        this.language.of(languageOf(area)),
        this.theme.of(themeOf(isDark())),
        this.lock.of(lockOf(area)),
        this.error.of([]),
        EditorView.contentAttributes.of(this.labels()),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) this.write(update.state);
        }),
        EditorState.phrases.of(phrases()),
      ],
    });
  }

  private labels(): Record<string, string> {
    const label = this.area.labels[0]?.textContent?.trim() || this.area.getAttribute("aria-label") || this.area.name;
    const described = this.area.getAttribute("aria-describedby");
    return { "aria-label": label, ...(described ? { "aria-describedby": described } : {}) };
  }

  private write(state: EditorState): void {
    this.writing = true;
    this.area.value = state.doc.toString();
    this.area.dispatchEvent(new Event("input", { bubbles: true }));
    this.writing = false;
  }

  /** Takes over what another script, or the browser, has put into the field. */
  private read(): void {
    const value = this.area.value.replace(/\r\n?/g, "\n");
    if (this.writing || value === this.view.state.doc.toString()) return;
    this.view.dispatch({
      changes: { from: 0, to: this.view.state.doc.length, insert: value },
      effects: this.error.reconfigure([]), // another text, another error
    });
  }

  private followAttributes(): void {
    const observer = new MutationObserver((records) => {
      const names = new Set(records.map((record) => record.attributeName));
      const effects = [];
      if (names.has("data-editor")) effects.push(this.language.reconfigure(languageOf(this.area)));
      if (names.has("readonly") || names.has("disabled")) effects.push(this.lock.reconfigure(lockOf(this.area)));
      if (effects.length > 0) this.view.dispatch({ effects });
      if (names.has("data-error-line")) this.markError();
    });
    const attributeFilter = ["data-editor", "data-error-line", "readonly", "disabled"];
    observer.observe(this.area, { attributes: true, attributeFilter });
  }

  private markError(): void {
    const line = Number(this.area.dataset["errorLine"] || NaN);
    const { state } = this.view;
    const mark = errorLine(state, line);
    this.view.dispatch({ effects: this.error.reconfigure(mark) });
    if (!Array.isArray(mark)) {
      this.view.dispatch({ effects: EditorView.scrollIntoView(state.doc.line(line).from, { y: "center" }) });
    }
  }
}

/** Texts of the search panel; without a translation the English ones that come with it stay. */
function phrases(): Record<string, string> {
  const keys: Record<string, string> = {
    Find: "editor.find",
    Replace: "editor.replace_with",
    next: "editor.next",
    previous: "editor.previous",
    all: "editor.all",
    "match case": "editor.match_case",
    "by word": "editor.by_word",
    regexp: "editor.regexp",
    replace: "editor.replace",
    "replace all": "editor.replace_all",
    close: "editor.close",
    "Go to line": "editor.go_to_line",
    go: "editor.go",
    "Fold line": "editor.fold",
    "Unfold line": "editor.unfold",
    unfold: "editor.unfold",
    "folded code": "editor.folded",
  };
  const translated = Object.entries(keys).map(([phrase, key]) => [phrase, t(key)] as const);
  return Object.fromEntries(translated.filter(([, text]) => !text.startsWith("editor.")));
}

addStyles(css);
enhance<HTMLTextAreaElement>("textarea[data-editor]", (area) => void new Editor(area));

