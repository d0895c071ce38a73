/** Which rows of a long list are on screen. Pure arithmetic: no DOM. */

export interface Rows {
  readonly count: number;
  /** Height of the scrolled content in pixels. */
  readonly height: number;
  /** Distance of a row from the top of the content. */
  top(index: number): number;
  /** The row at a distance from the top. */
  at(offset: number): number;
}

export interface Range {
  readonly first: number;
  readonly end: number; // exclusive
}

/** Rows to render: those in the window and some more on both sides, so that a short scroll shows no gap. */
export function visibleRange(rows: Rows, scrollTop: number, viewHeight: number, overscan: number): Range {
  if (rows.count === 0) return { first: 0, end: 0 };
  const first = Math.max(0, rows.at(scrollTop) - overscan);
  const end = Math.min(rows.count, rows.at(scrollTop + viewHeight) + 1 + overscan);
  return { first, end };
}

/** Every row has the same height. */
export class FixedRows implements Rows {
  constructor(
    readonly count: number,
    readonly rowHeight: number,
  ) {}

  get height(): number {
    return this.count * this.rowHeight;
  }

  top(index: number): number {
    return index * this.rowHeight;
  }

  at(offset: number): number {
    return Math.min(this.count - 1, Math.max(0, Math.floor(offset / this.rowHeight)));
  }
}

/**
 * Rows of different heights: estimated at first, corrected when they are measured.
 * A Fenwick tree keeps sums, so that a change and a search cost log n.
 */
export class MeasuredRows implements Rows {
  private heights: number[] = [];
  private tree: number[] = [0];

  get count(): number {
    return this.heights.length;
  }

  get height(): number {
    return this.top(this.count);
  }

  push(height: number): void {
    this.heights.push(height);
    const position = this.heights.length;
    let sum = height;
    // A node covers the rows of its children, which are all there already.
    for (let step = 1; step < (position & -position); step *= 2) sum += this.tree[position - step] ?? 0;
    this.tree.push(sum);
  }

  /** Returns by how much the height changed. */
  set(index: number, height: number): number {
    const difference = height - (this.heights[index] ?? 0);
    if (difference === 0 || index >= this.count) return 0;
    this.heights[index] = height;
    for (let at = index + 1; at <= this.count; at += at & -at) this.tree[at] = (this.tree[at] ?? 0) + difference;
    return difference;
  }

  /** Forgets the rows from `count` on. */
  truncate(count: number): void {
    if (count >= this.count) return;
    this.heights.length = count;
    this.tree.length = count + 1;
  }

  top(index: number): number {
    let sum = 0;
    for (let at = Math.min(index, this.count); at > 0; at -= at & -at) sum += this.tree[at] ?? 0;
    return sum;
  }

  at(offset: number): number {
    let position = 0;
    let rest = offset;
    let step = 1;
    while (step * 2 <= this.count) step *= 2;
    for (; step > 0; step = Math.floor(step / 2)) {
      const next = position + step;
      const sum = this.tree[next];
      if (next <= this.count && sum !== undefined && sum <= rest) {
        position = next;
        rest -= sum;
      }
    }
    return Math.min(Math.max(0, this.count - 1), position);
  }
}

/** Browsers cap the height of an element (Firefox at about 17.9 million pixels); beyond the cap the scroll bar is a scale. */
export const MAX_HEIGHT = 15_000_000;

/** Translates between the scroll bar and the content when the content is taller than an element may be. */
export function contentOffset(scrollTop: number, contentHeight: number, viewHeight: number): number {
  if (contentHeight <= MAX_HEIGHT) return scrollTop;
  return (scrollTop / (MAX_HEIGHT - viewHeight)) * (contentHeight - viewHeight);
}

export function scrollPosition(offset: number, contentHeight: number, viewHeight: number): number {
  if (contentHeight <= MAX_HEIGHT) return offset;
  return (offset / (contentHeight - viewHeight)) * (MAX_HEIGHT - viewHeight);
}

const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]/g;

/** Screen columns of a text: East Asian characters take two, a tab goes to the next multiple of eight. */
export function columns(text: string): number {
  let count = text.length;
  // eslint-disable-next-line no-control-regex
  if (/[^\x00-\x7f]/.test(text)) count += text.match(WIDE)?.length ?? 0;
  if (text.includes("\t")) {
    count = 0;
    for (const part of text.split(/(\t)/)) count = part === "\t" ? (Math.floor(count / 8) + 1) * 8 : count + part.length;
  }
  return count;
}
