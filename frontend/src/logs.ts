/**
 * The log viewer: `<div data-log-url data-live data-download-url data-timezone>`.
 * What the server put into the element (the plain log, say) is the fallback and gives way to the viewer.
 */

import { el, enhance, isTyping } from "./lib/dom";
import { t } from "./lib/strings";
import { addStyles } from "./lib/styles";
import css from "./logs/logs.css?inline";
import { type Connection, type Page, Poller } from "./logs/poll";
import { Toolbar } from "./logs/toolbar";
import { LogView } from "./logs/view";

function start(host: HTMLElement): void {
  const url = host.dataset["logUrl"];
  if (!url) return;
  const live = host.dataset["live"] === "true";
  const view = new LogView(host.dataset["timezone"] || undefined);
  view.follow = live;
  view.element.setAttribute("aria-label", t("logs.output"));
  const empty = el("div", { class: "plog-empty" }, t("logs.waiting"));
  let status = "";

  const poller = new Poller(url, {
    page: (page: Page) => {
      status = page.status;
      if (page.chunks.length > 0) view.append(page.chunks);
      empty.hidden = view.log.lines.length > 0;
      if (empty.hidden) empty.remove();
      toolbar.refresh();
    },
    connection: (state: Connection, retryIn?: number) => {
      toolbar.showConnection(state, retryIn);
      if (state !== "finished") return;
      empty.textContent = t("logs.empty");
      // A page of a run that had ended before it was opened has nothing to react to.
      if (live) document.dispatchEvent(new CustomEvent("portal:run-finished", { detail: { url, status } }));
    },
  });
  const toolbar = new Toolbar(
    view,
    {
      togglePause: () => (poller.paused ? poller.resume() : poller.pause()),
      get paused() {
        return poller.paused;
      },
    },
    host.dataset["downloadUrl"],
  );

  const body = el("div", {}, view.element, empty);
  body.style.position = "relative";
  host.classList.add("plog");
  host.replaceChildren(toolbar.element, body, toolbar.status);
  bindKeys(host, view, toolbar);
  poller.start();
}

/** Keys work inside the viewer, and on the page when nothing else has the focus. */
function bindKeys(host: HTMLElement, view: LogView, toolbar: Toolbar): void {
  document.addEventListener("keydown", (event) => {
    const inside = event.target instanceof Node && host.contains(event.target);
    const free = document.activeElement === document.body && document.querySelector(".plog") === host;
    if ((!inside && !free) || isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Home") view.scrollToStart();
    else if (event.key === "End") view.setFollow(true);
    else if (!toolbar.press(event.key)) return;
    event.preventDefault();
  });
}

addStyles(css);
enhance("[data-log-url]", start);
