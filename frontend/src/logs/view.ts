/** The scrolling part of the log viewer: only the lines on screen exist in the page. */

import { el } from "../lib/dom";
import { stripAnsi } from "./ansi";
import { type Chunk, type Line, LineLog, plainText } from "./lines";
import { DISPLAY_LIMIT } from "./paint";
import { drawRow } from "./row";
import { columns, contentOffset, FixedRows, MAX_HEIGHT, MeasuredRows, type Rows, scrollPosition, visibleRange } from "./rows";
import { lowerBound, Search } from "./search";

const OVERSCAN = 12;
export const ROW_HEIGHT = 20; // as in logs.css

export class LogView {
  readonly element = el("div", { class: "plog-scroll", tabindex: "0", role: "log", "aria-live": "off" });
  readonly log = new LineLog();
  readonly search = new Search();
  follow = true;
  wrap = false;
  timestamps = false;
  onlyMatches = false;
  current = -1; // line of the match that was jumped to
  onFollowChange: () => void = () => undefined;

  private readonly sizer = el("div", { class: "plog-sizer" });
  private readonly window = el("div", { class: "plog-window" });
  private rows: Rows = new FixedRows(0, ROW_HEIGHT);
  private drawn = new Map<number, HTMLElement>(); // by line
  private lastTop = 0;
  private widest = 0;
  private frame = 0;
  private width = 0;

  constructor(private readonly timeZone: string | undefined) {
    this.sizer.append(this.window);
    this.element.append(this.sizer);
    this.element.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.resized()).observe(this.element);
  }

  append(chunks: readonly Chunk[]): void {
    const { first, touched } = this.log.append(chunks);
    const count = this.log.lines.length;
    for (const index of touched) {
      this.drop(index);
      this.search.rescan(index, this.textOf(index));
      this.widest = Math.max(this.widest, this.lineColumns(index));
    }
    for (let index = first; index < count; index += 1) this.widest = Math.max(this.widest, this.lineColumns(index));
    this.search.scan(count, (index) => this.textOf(index), first);
    this.sizer.style.setProperty("--plog-columns", String(this.widest));
    this.element.style.setProperty("--plog-digits", String(String(count).length));
    this.layout(this.filtering ? 0 : first);
    this.requestRender();
  }

  /** Draws everything again after an option changed; the line at the top stays where it is. */
  reset(): void {
    const anchor = this.lineOf(this.rows.at(this.offset()));
    this.clear();
    this.element.classList.toggle("plog-wrap", this.wrap);
    this.layout(0);
    if (!this.follow) this.scrollToRow(this.rowOf(anchor));
    this.requestRender();
  }

  setQuery(query: string): void {
    if (!this.search.setQuery(query)) return;
    this.current = -1;
    this.search.scan(this.log.lines.length, (index) => this.textOf(index));
    this.reset();
  }

  /** Goes to the next or previous match and returns its position among the matches, or -1. */
  step(direction: 1 | -1): number {
    const from = this.current >= 0 ? this.current : this.lineOf(this.rows.at(this.offset())) - direction;
    const position = this.search.step(from, direction);
    const line = this.search.matches[position];
    if (line === undefined) return -1;
    this.setFollow(false);
    this.drop(this.current);
    this.drop(line);
    this.current = line;
    const row = this.rowOf(line);
    const seen = this.rows.top(row) - this.offset();
    if (seen < 0 || seen > this.viewHeight() - 2 * ROW_HEIGHT) this.scrollToRow(row, this.viewHeight() / 3);
    this.requestRender();
    return position;
  }

  setFollow(follow: boolean): void {
    if (follow) this.scrollToEnd();
    if (this.follow === follow) return;
    this.follow = follow;
    this.onFollowChange();
  }

  scrollToStart(): void {
    this.setFollow(false);
    this.element.scrollTop = 0;
  }

  /** What is listed now, without colours. */
  text(): string {
    const count = this.rows.count;
    return Array.from({ length: count }, (_, row) => `${this.textOf(this.lineOf(row))}\n`).join("");
  }

  get rowCount(): number {
    return this.rows.count;
  }

  private textOf(index: number): string {
    const line = this.log.lines[index];
    return line ? plainText(line) : "";
  }

  private lineColumns(index: number): number {
    return columns(stripAnsi(this.log.lines[index]?.text.slice(0, DISPLAY_LIMIT) ?? ""));
  }

  private get filtering(): boolean {
    return this.onlyMatches && this.search.active;
  }

  private lineOf(row: number): number {
    return this.filtering ? (this.search.matches[row] ?? 0) : row;
  }

  private rowOf(line: number): number {
    if (!this.filtering) return line;
    return Math.min(lowerBound(this.search.matches, line), Math.max(0, this.search.matches.length - 1));
  }

  private viewHeight(): number {
    return this.element.clientHeight;
  }

  private offset(): number {
    return contentOffset(this.element.scrollTop, this.rows.height, this.viewHeight());
  }

  /** Computes the heights of the rows from `from` on. */
  private layout(from: number): void {
    const count = this.filtering ? this.search.matches.length : this.log.lines.length;
    if (!this.wrap) {
      this.rows = new FixedRows(count, ROW_HEIGHT);
    } else {
      const rows = this.rows instanceof MeasuredRows ? this.rows : new MeasuredRows();
      rows.truncate(from);
      const perRow = this.columnsPerRow();
      for (let row = rows.count; row < count; row += 1) {
        rows.push(ROW_HEIGHT * Math.max(1, Math.ceil(this.lineColumns(this.lineOf(row)) / perRow)));
      }
      this.rows = rows;
    }
    this.resize();
  }

  private resize(): void {
    this.sizer.style.height = `${Math.min(this.rows.height, MAX_HEIGHT)}px`;
  }

  private columnsPerRow(): number {
    const probe = el("span", { class: "plog-probe" }, "0".repeat(100));
    this.window.append(probe);
    const character = probe.getBoundingClientRect().width / 100 || 8;
    probe.remove();
    const gutter = (String(this.log.lines.length).length + (this.timestamps ? 14 : 0)) * character + 36;
    return Math.max(10, Math.floor((this.element.clientWidth - gutter) / character));
  }

  private scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    const atEnd = scrollTop + clientHeight >= scrollHeight - 4;
    if (!atEnd && scrollTop < this.lastTop - 1) this.setFollowQuietly(false);
    else if (atEnd && scrollTop > this.lastTop) this.setFollowQuietly(true);
    this.lastTop = scrollTop;
    this.requestRender();
  }

  private setFollowQuietly(follow: boolean): void {
    if (this.follow === follow) return;
    this.follow = follow;
    this.onFollowChange();
  }

  private resized(): void {
    const width = this.element.clientWidth;
    if (this.wrap && width !== this.width && width > 0) this.reset();
    else this.requestRender();
    this.width = width;
  }

  private scrollToRow(row: number, above = 0): void {
    const offset = Math.max(0, this.rows.top(row) - above);
    this.element.scrollTop = scrollPosition(offset, this.rows.height, this.viewHeight());
    this.lastTop = this.element.scrollTop;
  }

  private scrollToEnd(): void {
    this.element.scrollTop = this.element.scrollHeight;
    this.lastTop = this.element.scrollTop;
    this.requestRender();
  }

  private requestRender(): void {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.render());
  }

  private render(): void {
    this.frame = 0;
    if (this.follow) {
      this.element.scrollTop = this.element.scrollHeight;
      this.lastTop = this.element.scrollTop;
    }
    const offset = this.offset();
    const range = visibleRange(this.rows, offset, this.viewHeight(), OVERSCAN);
    this.place(range.first, range.end);
    const top = this.rows.top(range.first) - offset + this.element.scrollTop;
    this.window.style.transform = `translateY(${top}px)`;
    if (this.wrap) this.measure(range.first, range.end, this.rows.at(offset));
  }

  /** Makes the window hold exactly these rows, keeping the elements that are there already. */
  private place(first: number, end: number): void {
    const wanted = new Map<number, HTMLElement>();
    let position: ChildNode | null = this.window.firstChild;
    for (let row = first; row < end; row += 1) {
      const index = this.lineOf(row);
      const line = this.log.lines[index];
      if (!line) continue;
      const node = this.drawn.get(index) ?? this.draw(line, index);
      wanted.set(index, node);
      while (position && lineNumber(position) < index) position = removed(position);
      if (position === node) position = node.nextSibling;
      else this.window.insertBefore(node, position);
    }
    while (position) position = removed(position);
    this.drawn = wanted;
  }

  private draw(line: Line, index: number): HTMLElement {
    const node = drawRow(line, index + 1, {
      timestamps: this.timestamps,
      timeZone: this.timeZone,
      hits: (plain) => this.search.hits(plain),
    });
    node.dataset["line"] = String(index);
    node.classList.toggle("plog-current", index === this.current);
    return node;
  }

  private drop(index: number): void {
    this.drawn.get(index)?.remove();
    this.drawn.delete(index);
  }

  private clear(): void {
    this.drawn.clear();
    this.window.replaceChildren();
    this.rows = new FixedRows(0, ROW_HEIGHT);
  }

  /** Replaces estimated heights by real ones; what is above the first row on screen must not push it away. */
  private measure(first: number, end: number, anchor: number): void {
    const rows = this.rows;
    if (!(rows instanceof MeasuredRows)) return;
    let shift = 0;
    let any = false;
    for (let row = first; row < end; row += 1) {
      const node = this.drawn.get(this.lineOf(row));
      if (!node) continue;
      const difference = rows.set(row, node.offsetHeight);
      any ||= difference !== 0;
      if (row < anchor) shift += difference;
    }
    if (!any) return;
    this.resize();
    if (shift !== 0 && !this.follow) {
      this.element.scrollTop += shift;
      this.lastTop = this.element.scrollTop;
    }
    this.requestRender();
  }
}

function lineNumber(node: ChildNode): number {
  return Number((node as HTMLElement).dataset["line"]);
}

/** Removes a node and returns the one after it. */
function removed(node: ChildNode): ChildNode | null {
  const next = node.nextSibling;
  node.remove();
  return next;
}
