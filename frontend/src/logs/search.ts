/** Finding text in lines, kept up to date while lines arrive. */

export class Search {
  /** Indexes of the lines that match, ascending. */
  matches: number[] = [];
  private pattern: RegExp | null = null;

  get active(): boolean {
    return this.pattern !== null;
  }

  /** Upper and lower case are the same. Returns whether the query changed. */
  setQuery(query: string): boolean {
    const pattern = query ? new RegExp(query.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi") : null;
    if (pattern?.source === this.pattern?.source) return false;
    this.pattern = pattern;
    this.matches = [];
    return true;
  }

  /** Looks again at one line. */
  rescan(index: number, text: string): void {
    const at = lowerBound(this.matches, index);
    const was = this.matches[at] === index;
    const is = this.hits(text).length > 0;
    if (was !== is) this.matches.splice(at, was ? 1 : 0, ...(is ? [index] : []));
  }

  /** Looks at the lines from `from` on. */
  scan(count: number, textOf: (index: number) => string, from = 0): void {
    const keep = lowerBound(this.matches, from);
    this.matches.length = keep;
    const pattern = this.pattern;
    if (!pattern) return;
    for (let index = from; index < count; index += 1) {
      pattern.lastIndex = 0;
      if (pattern.test(textOf(index))) this.matches.push(index);
    }
  }

  /** Start and end of each hit in a text. */
  hits(text: string): [number, number][] {
    if (!this.pattern) return [];
    return [...text.matchAll(this.pattern)].map((match) => [match.index, match.index + match[0].length]);
  }

  /** Position in `matches` of the next or previous match seen from a line; goes round at the end. */
  step(from: number, direction: 1 | -1): number {
    if (this.matches.length === 0) return -1;
    const at = lowerBound(this.matches, direction === 1 ? from + 1 : from);
    return direction === 1 ? at % this.matches.length : (at - 1 + this.matches.length) % this.matches.length;
  }
}

/** First position whose value is not below `value`. */
export function lowerBound(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
