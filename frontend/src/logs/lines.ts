/** Turns chunks of captured output into lines. */

import { PLAIN, type Style, stripAnsi, styleAfter } from "./ansi";

export type Stream = "stdout" | "stderr" | "system";

export interface Chunk {
  readonly seq: number;
  readonly stream: Stream;
  readonly at: string;
  readonly text: string;
}

export interface Line {
  readonly stream: Stream;
  readonly at: string; // when the first piece of it was captured
  text: string; // with its escape sequences, without what a carriage return has overwritten
  start: Style; // colours that an earlier line of the stream switched on
  open: boolean; // its line feed has not come yet
}

export interface Growth {
  readonly first: number;
  readonly touched: readonly number[];
}

/**
 * A chunk may end in the middle of a line, and chunks of the streams alternate; the rest of a line
 * goes where the line began. Each stream carries its own colours from line to line.
 */
export class LineLog {
  readonly lines: Line[] = [];
  private readonly openAt = new Map<Stream, number>();
  private readonly styles = new Map<Stream, Style>();

  /** Adds output and says what it did: `first` is the first new line, `touched` are older lines that grew or ended. */
  append(chunks: readonly Chunk[]): Growth {
    const first = this.lines.length;
    const touched = new Set<number>();
    for (const chunk of chunks) {
      const open = this.openAt.get(chunk.stream);
      if (open !== undefined && open < first) touched.add(open);
      this.add(chunk);
    }
    return { first, touched: [...touched] };
  }

  private add(chunk: Chunk): void {
    let from = 0;
    for (let end = chunk.text.indexOf("\n"); end !== -1; end = chunk.text.indexOf("\n", from)) {
      this.extend(chunk, chunk.text.slice(from, end));
      this.close(chunk.stream);
      from = end + 1;
    }
    if (from < chunk.text.length) this.extend(chunk, chunk.text.slice(from));
  }

  private extend(chunk: Chunk, piece: string): void {
    const line = this.openLine(chunk);
    const overwrites = piece.includes("\r") || line.text.endsWith("\r");
    line.text += piece;
    if (overwrites) overwrite(line);
  }

  private openLine(chunk: Chunk): Line {
    const at = this.openAt.get(chunk.stream);
    const present = at === undefined ? undefined : this.lines[at];
    if (present) return present;
    const start = this.styles.get(chunk.stream) ?? PLAIN;
    const line: Line = { stream: chunk.stream, at: chunk.at, text: "", start, open: true };
    this.openAt.set(chunk.stream, this.lines.length);
    this.lines.push(line);
    return line;
  }

  private close(stream: Stream): void {
    const at = this.openAt.get(stream);
    const line = at === undefined ? undefined : this.lines[at];
    if (!line) return;
    if (line.text.endsWith("\r")) line.text = line.text.slice(0, -1);
    line.open = false;
    this.styles.set(stream, styleAfter(line.text, line.start));
    this.openAt.delete(stream);
  }
}

/**
 * A progress bar writes a carriage return and draws itself anew: the last drawing is kept. A return at the very end
 * stays until it is known whether a line feed or a new drawing follows.
 */
function overwrite(line: Line): void {
  const body = line.text.replace(/\r+$/, "");
  const last = body.lastIndexOf("\r");
  const trailing = body.length < line.text.length ? "\r" : "";
  if (last === -1) {
    line.text = body + trailing;
    return;
  }
  line.start = styleAfter(body.slice(0, last), line.start);
  line.text = body.slice(last + 1) + trailing;
}

/** What a person reads in the line. */
export function plainText(line: Line): string {
  return stripAnsi(line.text);
}
