/** Buttons and search field above a log, and the line of status below it. */

import { debounce, el, uniqueId } from "../lib/dom";
import { t } from "../lib/strings";
import type { Connection } from "./poll";
import type { LogView } from "./view";

export interface Actions {
  togglePause(): void;
  readonly paused: boolean;
}

interface ButtonSpec {
  readonly key: string;
  readonly shortcut?: string;
  readonly toggle?: boolean;
  run(): void;
}

const SEARCH_DELAY_MS = 150;

export class Toolbar {
  readonly element = el("div", { class: "plog-bar", role: "toolbar", "aria-label": t("logs.toolbar") });
  readonly status = el("div", { class: "plog-status", role: "status" });
  private readonly query = el("input", { type: "search", id: uniqueId("plog-find"), autocomplete: "off", spellcheck: "false" });
  private readonly count = el("span", { class: "plog-count", role: "status" });
  private readonly buttons = new Map<string, HTMLButtonElement>();
  private note = "";
  private state: Connection = "live";
  private retryIn = 0;

  constructor(
    private readonly view: LogView,
    private readonly actions: Actions,
    downloadUrl: string | undefined,
  ) {
    this.element.append(
      this.button({ key: "follow", shortcut: "f", toggle: true, run: () => view.setFollow(!view.follow) }),
      this.button({ key: "pause", shortcut: "p", toggle: true, run: () => actions.togglePause() }),
      this.find(),
      this.button({ key: "wrap", shortcut: "w", toggle: true, run: () => this.option("wrap") }),
      this.button({ key: "timestamps", shortcut: "t", toggle: true, run: () => this.option("timestamps") }),
      this.button({ key: "copy", shortcut: "c", run: () => void this.copy() }),
    );
    if (downloadUrl) this.element.append(el("a", { href: downloadUrl, download: true }, t("logs.download")));
    view.onFollowChange = () => this.refresh();
    this.refresh();
  }

  /** Runs the action of a shortcut; false when the key has none. */
  press(key: string): boolean {
    if (key === "/") this.query.focus();
    else if (key === "n") this.step(1);
    else if (key === "N") this.step(-1);
    else {
      const button = [...this.buttons.values()].find((candidate) => candidate.ariaKeyShortcuts === key);
      if (!button) return false;
      button.click();
    }
    return true;
  }

  showConnection(state: Connection, retryIn = 0): void {
    this.state = state;
    this.retryIn = retryIn;
    for (const key of ["follow", "pause"]) {
      const button = this.buttons.get(key);
      if (button) button.hidden = state === "finished" || state === "gone";
    }
    this.refresh();
  }

  /** Brings buttons, counts and status up to date. */
  refresh(): void {
    this.pressed("follow", this.view.follow);
    this.pressed("pause", this.actions.paused);
    this.pressed("wrap", this.view.wrap);
    this.pressed("timestamps", this.view.timestamps);
    this.pressed("only_matches", this.view.onlyMatches);
    this.showCount();
    this.status.dataset["state"] = this.state;
    const lines = t("logs.lines", { count: this.view.log.lines.length });
    const state = t(`logs.state_${this.state}`, { seconds: this.retryIn });
    const text = [state, lines, this.note].filter(Boolean).join(" · ");
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  private button(spec: ButtonSpec): HTMLButtonElement {
    const label = t(`logs.${spec.key}`);
    const button = el("button", {
      type: "button",
      title: spec.shortcut ? `${label} (${spec.shortcut})` : label,
      "aria-keyshortcuts": spec.shortcut,
      "aria-pressed": spec.toggle ? "false" : null,
    }, label);
    button.addEventListener("click", () => {
      spec.run();
      this.refresh();
    });
    this.buttons.set(spec.key, button);
    return button;
  }

  private find(): HTMLElement {
    const { query } = this;
    query.placeholder = t("logs.search");
    query.title = `${t("logs.search")} (/)`;
    query.setAttribute("aria-label", t("logs.search"));
    const apply = debounce(() => this.search(), SEARCH_DELAY_MS);
    query.addEventListener("input", apply);
    query.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter") {
        event.preventDefault(); // the field may stand in the form of an admin page
        apply.cancel();
        this.search();
        this.step(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape") {
        event.preventDefault();
        query.value = "";
        this.search();
        this.view.element.focus();
      }
    });
    const arrow = (sign: string, key: string, direction: 1 | -1): HTMLButtonElement => {
      const button = this.button({ key, run: () => this.step(direction) });
      button.setAttribute("aria-label", t(`logs.${key}`));
      button.title = `${t(`logs.${key}`)} (${direction === 1 ? "n" : "N"})`;
      button.textContent = sign;
      return button;
    };
    return el(
      "div",
      { class: "plog-find" },
      query,
      this.count,
      arrow("↑", "previous", -1),
      arrow("↓", "next", 1),
      this.button({ key: "only_matches", shortcut: "m", toggle: true, run: () => this.option("onlyMatches") }),
    );
  }

  private search(): void {
    this.view.setQuery(this.query.value);
    this.refresh();
  }

  private step(direction: 1 | -1): void {
    this.view.step(direction);
    this.refresh();
  }

  private option(name: "wrap" | "timestamps" | "onlyMatches"): void {
    this.view[name] = !this.view[name];
    this.view.reset();
  }

  private pressed(key: string, value: boolean): void {
    this.buttons.get(key)?.setAttribute("aria-pressed", String(value));
  }

  private showCount(): void {
    const { search, current } = this.view;
    const position = current >= 0 ? search.matches.indexOf(current) + 1 : 0;
    const total = search.matches.length;
    this.count.textContent = search.active ? `${position > 0 ? position : "–"} / ${total}` : "";
    for (const key of ["previous", "next"]) {
      const button = this.buttons.get(key);
      if (button) button.disabled = total === 0;
    }
  }

  private async copy(): Promise<void> {
    const copied = await copyText(this.view.text());
    this.note = t(copied ? "logs.copied" : "logs.copy_failed", { count: this.view.rowCount });
    this.refresh();
    setTimeout(() => {
      this.note = "";
      this.refresh();
    }, 4_000);
  }
}

/** The clipboard interface exists on secure origins only; the older way works on plain http too. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el("textarea", { readonly: true, "aria-hidden": "true" });
    area.style.cssText = "position:fixed;opacity:0";
    area.value = text;
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return copied;
  }
}
