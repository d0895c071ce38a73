/** What of a line is drawn, and how: colours, search hits, and a limit for lines that would stall the browser. */

import { parseAnsi, type Segment, stripAnsi, type Style } from "./ansi";

export const DISPLAY_LIMIT = 10_000;

export interface Piece {
  readonly text: string;
  readonly style: Style;
  readonly hit: boolean;
}

export interface Painted {
  readonly pieces: Piece[];
  readonly hidden: number; // characters beyond the limit
}

export function paint(
  text: string,
  start: Style,
  hitsIn: (plain: string) => [number, number][],
  limit = DISPLAY_LIMIT,
): Painted {
  // Escape sequences take room of their own; beyond four times the limit nothing of the line is looked at.
  const { segments } = parseAnsi(text.length > limit * 4 ? text.slice(0, limit * 4) : text, start);
  const shown = cut(segments, limit);
  const plain = shown.map((segment) => segment.text).join("");
  const hidden = text.length > limit ? stripAnsi(text).length - plain.length : 0;
  return { pieces: mark(shown, hitsIn(plain)), hidden };
}

function cut(segments: Segment[], limit: number): Segment[] {
  const kept: Segment[] = [];
  let room = limit;
  for (const segment of segments) {
    if (room <= 0) break;
    kept.push(segment.text.length <= room ? segment : { ...segment, text: segment.text.slice(0, room) });
    room -= segment.text.length;
  }
  return kept;
}

/** Splits the segments where hits begin and end. Hits are ascending and do not overlap. */
export function mark(segments: readonly Segment[], hits: readonly [number, number][]): Piece[] {
  const pieces: Piece[] = [];
  let offset = 0;
  let next = 0;
  for (const { text, style } of segments) {
    let from = 0;
    while (from < text.length) {
      const hit = hits[next];
      const start = hit ? hit[0] - offset : Infinity;
      const end = hit ? hit[1] - offset : Infinity;
      const inside = from >= start;
      const until = Math.min(text.length, inside ? end : start);
      if (until > from) pieces.push({ text: text.slice(from, until), style, hit: inside });
      from = until;
      if (hit && from >= end) next += 1;
    }
    offset += text.length;
  }
  return pieces;
}
