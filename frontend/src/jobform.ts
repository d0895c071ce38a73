/**
 * The job form: shows the blocks `[data-kind-fields="python shell"]` of the kind chosen in `[data-job-kind]`, and reads
 * an uploaded script `[data-script-upload]` into its text field; a text field `[data-upload=".py"]` gets such an input. A block may also be marked by the class
 * `kind-fields-python`, as an admin fieldset has classes and no attributes of its own. A form may have more choosers:
 * `[data-job-kind="condition"]` shows the blocks of `condition-fields-…`; a block with classes of two needs both.
 * A switch is a chooser of its value ("on") or "off".
 */

import { announceContent, el, enhance, isFormsetTemplate, setValue, uniqueId } from "./lib/dom";
import { isChosen, kindsOf } from "./jobform/kinds";
import { decodeScript, formatBytes } from "./jobform/upload";
import { t } from "./lib/strings";

const DEFAULT_MAX_BYTES = 2 * 1024 * 1024; // the server has the last word
const BLOCKS = '[data-kind-fields], [class*="-fields-"]';
const CONTROLS = "input, select, textarea, button";

type Disableable = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement | HTMLButtonElement | HTMLFieldSetElement;

/** Fields that this script has disabled, as opposed to those that the server sent disabled. */
const disabledHere = new WeakSet<Disableable>();

function setEnabled(control: Disableable, enabled: boolean): void {
  if (!enabled && !control.disabled) {
    control.disabled = true;
    disabledHere.add(control);
  } else if (enabled && disabledHere.has(control)) {
    control.disabled = false;
    disabledHere.delete(control);
  }
}

/** What each chooser of the form stands at: `data-job-kind` names it ("" is "kind"). */
function chosenIn(form: ParentNode): Map<string, string> {
  const found = new Map<string, string>();
  for (const chooser of form.querySelectorAll<HTMLElement>("[data-job-kind]")) {
    const radio = chooser.querySelector<HTMLInputElement>('input[type="radio"]:checked');
    const isSwitch = chooser instanceof HTMLInputElement && chooser.type === "checkbox";
    const own = chooser instanceof HTMLSelectElement || chooser instanceof HTMLInputElement ? chooser.value : radio?.value;
    const kind = isSwitch && !chooser.checked ? "off" : own;
    found.set(chooser.dataset["jobKind"] || "kind", kind ?? "");
  }
  return found;
}

function showKinds(form: ParentNode): void {
  const choice = chosenIn(form);
  const blocks = [...form.querySelectorAll<HTMLElement>(BLOCKS)];
  const chosen = new Map(blocks.map((block) => [block, isChosen(kindsOf(block.dataset["kindFields"], block.className), choice)]));
  for (const [block, shown] of chosen) block.hidden = !shown;
  const controls = new Set(blocks.flatMap((block) => [...block.querySelectorAll<Disableable>(CONTROLS)]));
  for (const control of controls) {
    const around = blocks.filter((block) => block.contains(control));
    setEnabled(control, around.every((block) => chosen.get(block)) && !isFormsetTemplate(control));
  }
  document.dispatchEvent(new CustomEvent("portal:shown"));
}

function startKind(chooser: HTMLElement): void {
  const form = chooser.closest("form") ?? document;
  const choose = (): void => showKinds(form);
  chooser.addEventListener("change", choose);
  chooser.addEventListener("input", choose);
  window.addEventListener("pageshow", choose); // going back restores fields without any event
  choose();
}

/** The text field that a file is read into: the one named by data-script-target, else the nearest one. */
function targetOf(input: HTMLInputElement): HTMLTextAreaElement | null {
  const selector = input.dataset["scriptTarget"];
  if (selector) return document.querySelector<HTMLTextAreaElement>(selector);
  for (let around = input.parentElement; around; around = around.parentElement) {
    const area = around.querySelector<HTMLTextAreaElement>("textarea");
    if (area) return area;
    if (around instanceof HTMLFormElement) break;
  }
  return null;
}

/** A file field for a text field that asks for one. It has no name: what counts is the text. */
function addUpload(area: HTMLTextAreaElement): void {
  const id = uniqueId("portal-upload");
  const input = el("input", { type: "file", id, accept: area.dataset["upload"], "data-script-upload": true });
  area.id ||= uniqueId("portal-script");
  input.dataset["scriptTarget"] = `#${CSS.escape(area.id)}`;
  const label = el("label", { for: id, class: "text-sm font-medium" }, t("upload.choose"));
  const row = el("div", { class: "text-sm flex flex-wrap items-center gap-2 mb-2", "data-script-upload-row": true }, label, input);
  area.before(row);
}

function startUpload(input: HTMLInputElement): void {
  const message = el("p", { class: "portal-upload-message text-sm mt-1", role: "status" });
  (input.closest("[data-script-upload-row]") ?? input).after(message);
  const say = (text: string, bad: boolean): void => {
    message.textContent = text;
    message.classList.toggle("text-red-600", bad);
    message.classList.toggle("dark:text-red-400", bad);
  };
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    const area = targetOf(input);
    if (file && area) void read(file, input, area, say);
  });
}

async function read(
  file: File,
  input: HTMLInputElement,
  area: HTMLTextAreaElement,
  say: (text: string, bad: boolean) => void,
): Promise<void> {
  const limit = Number(input.dataset["maxBytes"] || area.dataset["maxBytes"]) || DEFAULT_MAX_BYTES;
  // The text field is what is submitted; a file left in its field would compete with later edits.
  const refuse = (key: string): void => {
    input.value = "";
    say(t(key, { name: file.name, limit: formatBytes(limit) }), true);
  };
  if (!/\.(py|sh|sql|txt)$/i.test(file.name)) return refuse("upload.wrong_type");
  if (file.size > limit) return refuse("upload.too_large");
  let bytes: ArrayBuffer;
  try {
    bytes = await file.arrayBuffer();
  } catch {
    return refuse("upload.unreadable");
  }
  const text = decodeScript(bytes);
  if (text === null) return refuse("upload.not_text");
  input.value = "";
  setValue(area, text);
  say(t("upload.loaded", { name: file.name, count: text.replace(/\n$/, "").split("\n").length }), false);
  announceContent();
}

enhance("[data-job-kind]", startKind);
enhance<HTMLTextAreaElement>("textarea[data-upload]", addUpload);
enhance<HTMLInputElement>("input[data-script-upload]", startUpload);
