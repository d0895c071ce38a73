/** Draws one line of a log. */

import { el } from "../lib/dom";
import { t } from "../lib/strings";
import type { Style } from "./ansi";
import type { Line } from "./lines";
import { type Painted, type Piece, paint } from "./paint";

export interface RowOptions {
  readonly timestamps: boolean;
  readonly timeZone: string | undefined;
  readonly hits: (plain: string) => [number, number][];
}

export function drawRow(line: Line, number: number, options: RowOptions): HTMLElement {
  const row = el("div", { class: "plog-row", "data-stream": line.stream });
  row.append(el("span", { class: "plog-no", "aria-hidden": "true" }, String(number)));
  if (options.timestamps) row.append(el("span", { class: "plog-time" }, clock(line.at, options.timeZone)));
  row.append(drawText(paint(line.text, line.start, options.hits)));
  return row;
}

function drawText(painted: Painted): HTMLElement {
  const text = el("span", { class: "plog-text" });
  for (const piece of painted.pieces) text.append(drawPiece(piece));
  if (painted.hidden > 0) {
    text.append(el("span", { class: "plog-cut" }, t("logs.line_cut", { count: painted.hidden })));
  }
  return text;
}

function drawPiece(piece: Piece): Node {
  const classes = styleClasses(piece.style);
  if (!piece.hit && classes.length === 0 && !piece.style.fg && !piece.style.bg) {
    return document.createTextNode(piece.text);
  }
  const node = el(piece.hit ? "mark" : "span", {}, piece.text);
  node.className = classes.join(" ");
  if (!piece.hit) colour(node, piece.style);
  return node;
}

function styleClasses(style: Style): string[] {
  const names = ["bold", "dim", "italic", "underline", "strike"] as const;
  return names.filter((name) => style[name]).map((name) => `plog-${name}`);
}

function colour(node: HTMLElement, style: Style): void {
  const fg = cssColour(style.fg);
  const bg = cssColour(style.bg);
  const front = style.inverse ? (bg ?? "var(--plog-bg)") : fg;
  const back = style.inverse ? (fg ?? "var(--plog-fg)") : bg;
  if (front) node.style.color = front;
  if (back) node.style.backgroundColor = back;
}

function cssColour(colour: string | null): string | null {
  return colour !== null && /^\d+$/.test(colour) ? `var(--plog-${colour})` : colour;
}

let formats: { zone: string | undefined; format: Intl.DateTimeFormat } | undefined;

function formatFor(zone: string | undefined): Intl.DateTimeFormat {
  if (formats && formats.zone === zone) return formats.format;
  const options: Intl.DateTimeFormatOptions = {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
    hourCycle: "h23",
  };
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-GB", zone ? { ...options, timeZone: zone } : options);
  } catch {
    format = new Intl.DateTimeFormat("en-GB", options); // a zone that this browser does not know
  }
  formats = { zone, format };
  return format;
}

export function clock(iso: string, zone: string | undefined): string {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? "" : formatFor(zone).format(at);
}
