/** What the server says about an expression: both descriptions and the next times, or what is wrong. */

import { el } from "../lib/dom";
import { t } from "../lib/strings";

export interface Answer {
  readonly ok: boolean;
  readonly description?: Record<string, string>;
  readonly next?: string[];
  readonly expression?: string;
  readonly error?: string;
}

export function showAnswer(output: HTMLElement, answer: Answer): void {
  output.classList.toggle("portal-schedule-bad", !answer.ok);
  if (!answer.ok) {
    output.replaceChildren(el("p", { class: "portal-schedule-error" }, answer.error ?? t("schedule.unreachable")));
    return;
  }
  const descriptions = Object.entries(answer.description ?? {}).map(([language, text]) => el("p", { lang: language }, text));
  output.replaceChildren(...descriptions, nextTimes(answer.next ?? []));
}

function nextTimes(times: readonly string[]): HTMLElement {
  if (times.length === 0) return el("p", { class: "portal-schedule-none" }, t("schedule.never"));
  const list = el("ol", {}, ...times.map((time) => el("li", {}, time)));
  return el("div", { class: "portal-schedule-next" }, el("p", {}, t("schedule.next_times")), list);
}

export function showTrouble(output: HTMLElement): void {
  output.classList.remove("portal-schedule-bad");
  output.replaceChildren(el("p", {}, t("schedule.unreachable")));
}
