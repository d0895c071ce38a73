/**
 * Regions that refresh themselves, `[data-refresh-url][data-refresh-seconds]`, relative times `<time datetime data-relative>`
 * and running durations `<span data-running-since="2026-11-20T09:00:00Z">`.
 */

import { enhance } from "./lib/dom";
import { language } from "./lib/strings";
import { addStyles } from "./lib/styles";
import css from "./refresh/refresh.css?inline";
import { Region } from "./refresh/region";
import { duration, relativeTime } from "./refresh/times";

/** The time an element stands for, or null. */
function timeOf(value: string | null): number | null {
  const at = value ? Date.parse(value) : NaN;
  return Number.isNaN(at) ? null : at;
}

/** Clocks of browsers are often wrong; the page may say what time it was on the server: `<html data-server-now>`. */
function clockError(): number {
  const server = timeOf(document.querySelector("[data-server-now]")?.getAttribute("data-server-now") ?? null);
  const error = server === null ? 0 : server - Date.now();
  return Math.abs(error) < 5_000 ? 0 : error; // what a slow page load explains is no error
}

const serverAhead = clockError();

function write(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

const written = new WeakMap<HTMLElement, string>();

/** The exact time, as the server wrote it, becomes the tooltip. */
function keepExact(element: HTMLElement): void {
  const text = element.textContent?.trim() ?? "";
  if (text && text !== written.get(element)) element.title = text;
}

function updateTimes(): void {
  if (document.hidden) return;
  const now = Date.now() + serverAhead;
  for (const element of document.querySelectorAll<HTMLElement>("time[datetime][data-relative]")) {
    const at = timeOf(element.getAttribute("datetime"));
    if (at === null) continue;
    keepExact(element);
    const text = relativeTime(at, now, language());
    written.set(element, text);
    write(element, text);
  }
  for (const element of document.querySelectorAll<HTMLElement>("[data-running-since]")) {
    const since = timeOf(element.getAttribute("data-running-since"));
    if (since !== null) write(element, duration(now - since, language()));
  }
}

addStyles(css);
enhance("[data-refresh-url]", (element) => void new Region(element));
updateTimes();
setInterval(updateTimes, 1_000);
document.addEventListener("visibilitychange", updateTimes);
document.addEventListener("portal:content", updateTimes);
