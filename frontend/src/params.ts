/**
 * The run-now dialog: `<dialog data-run-dialog id="run">`, opened by `[data-run-open="run"]`, closed by `[data-run-close]`,
 * Escape or a click beside it; and rows of key and value for JSON parameters, `<textarea data-params-json>`; with
 * `data-params-json="texts"` every value is a text.
 * An opener may be a link to a plain page that asks the same: that is the way without this script.
 */

import { enhance } from "./lib/dom";
import { addStyles } from "./lib/styles";
import css from "./params/params.css?inline";
import { ParamRows } from "./params/rows";

/** The browser's own dialog traps the focus, closes on Escape and gives the focus back to the opener. */
function startDialog(dialog: HTMLDialogElement): void {
  dialog.addEventListener("click", (event) => {
    const target = event.target;
    if (!(target instanceof Element)) return;
    const closes = target.closest("[data-run-close]") !== null || (target === dialog && isOutside(dialog, event));
    if (!closes) return;
    event.preventDefault();
    dialog.close();
  });
  // One click, one run: a double click must not submit twice.
  dialog.addEventListener("submit", (event) => {
    if (dialog.hasAttribute("data-submitted")) event.preventDefault();
    else dialog.setAttribute("data-submitted", "");
  });
  window.addEventListener("pageshow", () => dialog.removeAttribute("data-submitted"));
  dialog.addEventListener("close", () => dialog.removeAttribute("data-submitted"));
}

function isOutside(dialog: HTMLDialogElement, event: MouseEvent): boolean {
  const box = dialog.getBoundingClientRect();
  const { clientX: x, clientY: y } = event;
  return x < box.left || x > box.right || y < box.top || y > box.bottom;
}

document.addEventListener("click", (event) => {
  const opener = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-run-open]") : null;
  if (!opener || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const dialog = document.getElementById(opener.dataset["runOpen"] ?? "");
  if (!(dialog instanceof HTMLDialogElement)) return;
  event.preventDefault();
  if (!dialog.open) dialog.showModal();
});

addStyles(css);
enhance<HTMLDialogElement>("dialog[data-run-dialog]", startDialog);
enhance<HTMLTextAreaElement>("textarea[data-params-json]", (area) => void new ParamRows(area));
