import { describe, expect, test } from "vitest";
import { indexedColour, parseAnsi, PLAIN, stripAnsi } from "../src/logs/ansi";

const texts = (line: string): string[] => parseAnsi(line).segments.map((segment) => segment.text);
const first = (line: string) => parseAnsi(line).segments[0]?.style;

describe("colours and attributes", () => {
  test.each([
    ["\x1b[31mx", { fg: "1" }],
    ["\x1b[97mx", { fg: "15" }],
    ["\x1b[44mx", { bg: "4" }],
    ["\x1b[101mx", { bg: "9" }],
    ["\x1b[1;4;31mx", { bold: true, underline: true, fg: "1" }],
    ["\x1b[38;5;9mx", { fg: "9" }],
    ["\x1b[38;5;196mx", { fg: "rgb(255,0,0)" }],
    ["\x1b[48;5;232mx", { bg: "rgb(8,8,8)" }],
    ["\x1b[38;2;1;2;3mx", { fg: "rgb(1,2,3)" }],
    ["\x1b[38:2::1:2:3mx", { fg: "rgb(1,2,3)" }],
    ["\x1b[38:2:1:2:3mx", { fg: "rgb(1,2,3)" }],
    ["\x1b[38:5:9;1mx", { fg: "9", bold: true }],
    ["\x1b[38;2;1;2;3;1mx", { fg: "rgb(1,2,3)", bold: true }],
    ["\x1b[4:3mx", { underline: true }],
    ["\x1b[4m\x1b[4:0mx", {}],
    ["\x1b[1m\x1b[22mx", {}],
    ["\x1b[31;1m\x1b[mx", {}],
    ["\x1b[31m\x1b[39mx", {}],
    ["\x9b31mx", { fg: "1" }],
  ])("%j", (line, expected) => {
    expect(first(line)).toEqual({ ...PLAIN, ...expected });
  });

  test("a colour value outside its range is ignored", () => {
    expect(first("\x1b[38;2;300;0;0mx")).toEqual(PLAIN);
    expect(first("\x1b[38;5;999mx")).toEqual(PLAIN);
    expect(indexedColour(-1)).toBeNull();
  });

  test("the style lasts until the end and is handed to the next line", () => {
    const { end } = parseAnsi("a\x1b[32mb");
    expect(end.fg).toBe("2");
    expect(parseAnsi("c", end).segments).toEqual([{ text: "c", style: end }]);
  });

  test("a private sequence that ends in m is no colour", () => {
    expect(first("\x1b[>4;2mx")).toEqual(PLAIN);
  });
});

describe("everything else is dropped", () => {
  test.each([
    ["cursor movement", "a\x1b[2J\x1b[1;1Hb", "ab"],
    ["window title", "a\x1b]0;title\x07b", "ab"],
    ["hyperlink", "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"],
    ["device control string", "a\x1bPq#0;2\x1b\\b", "ab"],
    ["two-character escape", "a\x1b(Bb\x1b7c", "abc"],
    ["control characters", "a\x00\x07\x08b\x7f", "ab"],
    ["a sequence cut off at the end", "ab\x1b[3", "ab"],
    ["a bare escape at the end", "ab\x1b", "ab"],
    ["a title without end", "ab\x1b]0;secret", "ab"],
  ])("%s", (_, line, plain) => {
    expect(stripAnsi(line)).toBe(plain);
    expect(texts(line).join("")).toBe(plain);
  });

  test("tabs and markup stay as text", () => {
    expect(texts("<b>\t&amp;")).toEqual(["<b>\t&amp;"]);
  });
});

test("a megabyte of escapes is parsed in no more than a moment", () => {
  const started = performance.now();
  parseAnsi("\x1b[31mx".repeat(150_000));
  stripAnsi(`\x1b]${"a".repeat(1_000_000)}`);
  stripAnsi("\x1b[".repeat(500_000));
  expect(performance.now() - started).toBeLessThan(2_000);
});
