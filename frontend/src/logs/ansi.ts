/**
 * Terminal escape sequences. Colours and text attributes (SGR, ECMA-48 8.3.117) are understood,
 * every other sequence and control character is dropped, so that output cannot move, hide or forge anything.
 */

export interface Style {
  readonly fg: string | null; // a palette index "0".."15" or a CSS colour
  readonly bg: string | null;
  readonly bold: boolean;
  readonly dim: boolean;
  readonly italic: boolean;
  readonly underline: boolean;
  readonly strike: boolean;
  readonly inverse: boolean;
}

export interface Segment {
  readonly text: string;
  readonly style: Style;
}

export const PLAIN: Style = {
  fg: null,
  bg: null,
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  strike: false,
  inverse: false,
};

// In this order: SGR and other control sequences, operating system commands and other strings (up to their end or
// the end of the line), two-character escapes, what was cut off at the end, and bare control characters but the tab.
// eslint-disable-next-line no-control-regex
const ESCAPE =
  /(?:\x1b\[|\x9b)([0-?]*)([ -/]*)([@-~])|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\|\x9c|$)|(?:\x1b\[|\x9b)[0-?]*[ -/]*$|\x1b[ -/]*[0-~]?|[\x00-\x08\x0a-\x1f\x7f-\x9f]/g;
const NEEDS_WORK = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/;

/** The text without any escape sequence or control character. */
export function stripAnsi(text: string): string {
  return NEEDS_WORK.test(text) ? text.replace(ESCAPE, "") : text;
}

/** Splits a line into runs of one style each. `end` is the style that the next line of the stream starts with. */
export function parseAnsi(text: string, start: Style = PLAIN): { segments: Segment[]; end: Style } {
  if (!NEEDS_WORK.test(text)) return { segments: text ? [{ text, style: start }] : [], end: start };
  const segments: Segment[] = [];
  let style = start;
  let from = 0;
  for (const match of text.matchAll(ESCAPE)) {
    if (match.index > from) segments.push({ text: text.slice(from, match.index), style });
    from = match.index + match[0].length;
    if (match[3] === "m" && !match[2]) style = applySgr(match[1] ?? "", style);
  }
  if (from < text.length) segments.push({ text: text.slice(from), style });
  return { segments, end: style };
}

/** The style after the text, without the cost of its segments. */
export function styleAfter(text: string, start: Style): Style {
  return text.includes("\x1b") || text.includes("\x9b") ? parseAnsi(text, start).end : start;
}

type Change = Partial<Style>;

const ATTRIBUTES: Readonly<Record<number, Change>> = {
  0: PLAIN,
  1: { bold: true },
  2: { dim: true },
  3: { italic: true },
  4: { underline: true },
  7: { inverse: true },
  9: { strike: true },
  21: { underline: true },
  22: { bold: false, dim: false },
  23: { italic: false },
  24: { underline: false },
  27: { inverse: false },
  29: { strike: false },
  39: { fg: null },
  49: { bg: null },
};

function applySgr(parameters: string, style: Style): Style {
  if (/[<=>?]/.test(parameters)) return style;
  // "4:3" is an underline with a shape, "38:2::1:2:3" a colour: in both the colon groups what belongs together.
  const groups = parameters.split(";").map((group) => group.split(":").map((part) => (part === "" ? 0 : Number(part))));
  let result = style;
  for (let at = 0; at < groups.length; at += 1) {
    const group = groups[at] ?? [0];
    const code = group[0] ?? 0;
    if (code === 38 || code === 48) {
      const inline = group.length > 1;
      const rest = inline ? withoutColourSpace(group.slice(1)) : groups.slice(at + 1).map((next) => next[0] ?? 0);
      const { colour, used } = extendedColour(rest);
      if (!inline) at += used;
      if (colour !== null) result = { ...result, [code === 38 ? "fg" : "bg"]: colour };
    } else if (code === 4 && group[1] === 0) {
      result = { ...result, underline: false };
    } else {
      result = { ...result, ...(ATTRIBUTES[code] ?? paletteColour(code)) };
    }
  }
  return result;
}

function paletteColour(code: number): Change {
  if (code >= 30 && code <= 37) return { fg: String(code - 30) };
  if (code >= 40 && code <= 47) return { bg: String(code - 40) };
  if (code >= 90 && code <= 97) return { fg: String(code - 82) };
  if (code >= 100 && code <= 107) return { bg: String(code - 92) };
  return {};
}

/** "2:<space>:r:g:b" names a colour space that nobody uses; without it the form is "2:r:g:b". */
function withoutColourSpace(values: number[]): number[] {
  return values[0] === 2 && values.length >= 5 ? [2, ...values.slice(2)] : values;
}

function extendedColour(values: number[]): { colour: string | null; used: number } {
  if (values[0] === 5) return { colour: indexedColour(values[1] ?? -1), used: 2 };
  if (values[0] === 2) {
    const channels = values.slice(1, 4);
    const valid = channels.length === 3 && channels.every((value) => value >= 0 && value <= 255);
    return { colour: valid ? `rgb(${channels.join(",")})` : null, used: 4 };
  }
  return { colour: null, used: values.length };
}

/** The 256-colour table: 16 palette colours, a cube of 6x6x6, 24 greys. */
export function indexedColour(index: number): string | null {
  if (!Number.isInteger(index) || index < 0 || index > 255) return null;
  if (index < 16) return String(index);
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return `rgb(${grey},${grey},${grey})`;
  }
  const level = (step: number): number => (step === 0 ? 0 : 55 + step * 40);
  const cube = index - 16;
  return `rgb(${level(Math.floor(cube / 36))},${level(Math.floor(cube / 6) % 6)},${level(cube % 6)})`;
}
