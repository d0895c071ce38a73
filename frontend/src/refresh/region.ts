/** One region of the page that keeps itself up to date. */

import { announceContent, el } from "../lib/dom";
import { getHtml, RequestFailed } from "../lib/http";
import { language, t } from "../lib/strings";
import { parseFragment, patchChildren } from "./patch";

const SLOWEST_RETRY_S = 120;

/** Seconds between two requests: at least 5, or 1 for a region that is marked as fast; 0 means on events only. */
export function intervalOf(seconds: string | undefined, fast: boolean): number {
  const wanted = Number(seconds);
  if (!Number.isFinite(wanted) || wanted <= 0) return 0;
  return Math.max(fast ? 1 : 5, wanted);
}

export class Region {
  private before: Node;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private due = 0;
  private failures = 0;
  private stopped = false;
  private busy = false;
  private readonly status: HTMLElement;

  constructor(private readonly element: HTMLElement) {
    this.before = element.cloneNode(true);
    this.status = this.findStatus();
    document.addEventListener("visibilitychange", () => this.visibilityChanged());
    document.addEventListener("portal:run-finished", () => void this.refresh());
    document.addEventListener("portal:refresh", () => void this.refresh());
    this.plan(this.interval);
  }

  private get interval(): number {
    return intervalOf(this.element.dataset["refreshSeconds"], this.element.hasAttribute("data-refresh-fast"));
  }

  private findStatus(): HTMLElement {
    const id = this.element.id;
    const own = id ? document.querySelector<HTMLElement>(`[data-refresh-status="${CSS.escape(id)}"]`) : null;
    const inside = own ?? this.element.querySelector<HTMLElement>("[data-refresh-status]");
    if (inside) return inside;
    const status = el("p", { class: "portal-refresh-status" });
    this.element.after(status);
    return status;
  }

  private plan(seconds: number): void {
    clearTimeout(this.timer);
    if (seconds <= 0 || this.stopped) return;
    this.due = Date.now() + seconds * 1_000;
    if (!document.hidden) this.timer = setTimeout(() => void this.refresh(), seconds * 1_000);
  }

  private visibilityChanged(): void {
    clearTimeout(this.timer);
    if (document.hidden || this.stopped || this.due === 0) return;
    this.plan(Math.max(0.05, (this.due - Date.now()) / 1_000));
  }

  async refresh(): Promise<void> {
    const url = this.element.dataset["refreshUrl"];
    if (!url || this.busy || this.stopped) return;
    if (!this.element.isConnected) {
      this.stopped = true;
      return;
    }
    this.busy = true;
    try {
      this.show(await getHtml(url));
      this.failures = 0;
      this.plan(this.interval);
    } catch (error) {
      this.fail(error);
    } finally {
      this.busy = false;
    }
  }

  private show(html: string): void {
    if (this.isInUse()) return;
    const fragment = parseFragment(html);
    const after = this.contentOf(fragment);
    const focused = document.activeElement;
    const focusId = focused && this.element.contains(focused) ? focused.id : "";
    patchChildren(this.element, this.before, after);
    this.before = after;
    if (focusId && document.activeElement !== focused) document.getElementById(focusId)?.focus({ preventScroll: true });
    this.say(t("refresh.updated", { time: new Date().toLocaleTimeString(language(), { hourCycle: "h23" }) }));
    announceContent();
  }

  /** The server may send the region's content, or the region itself. */
  private contentOf(fragment: DocumentFragment): Node {
    const only = fragment.children.length === 1 ? fragment.firstElementChild : null;
    const same = only?.hasAttribute("data-refresh-url") && only.id === this.element.id;
    return same && only ? only : fragment;
  }

  /** Nobody likes a menu, a dialog or a selection that vanishes under the pointer. */
  private isInUse(): boolean {
    const selection = document.getSelection();
    const selecting = !!selection && !selection.isCollapsed && this.element.contains(selection.anchorNode);
    return selecting || this.element.querySelector("dialog[open]") !== null;
  }

  private fail(error: unknown): void {
    if (error instanceof RequestFailed && error.kind === "gone") {
      this.stopped = true;
      this.say(t("refresh.stopped"), true);
      return;
    }
    this.failures += 1;
    const retryAfter = error instanceof RequestFailed ? error.retryAfterSeconds : null;
    const delay = Math.min(SLOWEST_RETRY_S, retryAfter ?? Math.max(5, this.interval) * 2 ** (this.failures - 1));
    this.say(t("refresh.retrying", { seconds: delay }), true);
    this.plan(delay);
  }

  private say(text: string, bad = false): void {
    this.status.textContent = text;
    this.status.classList.toggle("portal-refresh-trouble", bad);
  }
}
