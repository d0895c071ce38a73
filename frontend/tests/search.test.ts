import { describe, expect, test } from "vitest";
import { PLAIN } from "../src/logs/ansi";
import { paint } from "../src/logs/paint";
import { Search } from "../src/logs/search";

const LINES = ["Error one", "fine", "no error", "fine", "ERROR (2)"];

function search(query: string, lines = LINES): Search {
  const found = new Search();
  found.setQuery(query);
  found.scan(lines.length, (index) => lines[index] ?? "");
  return found;
}

describe("search", () => {
  test("ignores case and treats the query as text", () => {
    expect(search("error").matches).toEqual([0, 2, 4]);
    expect(search("(2)").matches).toEqual([4]);
    expect(search(".*").matches).toEqual([]);
    expect(search("").matches).toEqual([]);
  });

  test("goes forward and back, round the ends", () => {
    const found = search("error");
    expect([-1, 0, 2, 3, 4].map((line) => found.step(line, 1))).toEqual([0, 1, 2, 2, 0]);
    expect([0, 1, 2, 4].map((line) => found.step(line, -1))).toEqual([2, 0, 0, 1]);
    expect(search("absent").step(0, 1)).toBe(-1);
  });

  test("looks at new lines only, and again at a line that changed", () => {
    const found = search("error");
    const lines = [...LINES, "error six"];
    found.scan(lines.length, (index) => (index < 5 ? "" : (lines[index] ?? "")), 5);
    expect(found.matches).toEqual([0, 2, 4, 5]);
    found.rescan(2, "now fine");
    found.rescan(3, "now an error");
    found.rescan(3, "still an error");
    expect(found.matches).toEqual([0, 3, 4, 5]);
  });
});

describe("painting", () => {
  const pieces = (text: string, query: string, limit?: number) => {
    const found = search(query);
    return paint(text, PLAIN, (plain) => found.hits(plain), limit);
  };

  test("a hit goes across a change of colour", () => {
    const drawn = pieces("ab\x1b[31mcd", "bc").pieces;
    expect(drawn.map(({ text, hit, style }) => [text, hit, style.fg])).toEqual([
      ["a", false, null],
      ["b", true, null],
      ["c", true, "1"],
      ["d", false, "1"],
    ]);
  });

  test("hits that touch are found one by one", () => {
    expect(pieces("xaaaay", "aa").pieces.map(({ text, hit }) => [text, hit])).toEqual([
      ["x", false],
      ["aa", true],
      ["aa", true],
      ["y", false],
    ]);
  });

  test("a line beyond the limit is cut, and says how much is not shown", () => {
    const { pieces: drawn, hidden } = pieces(`\x1b[31m${"x".repeat(1_000_000)}`, "", 100);
    expect(drawn.map(({ text }) => text.length)).toEqual([100]);
    expect(hidden).toBe(999_900);
  });

  test("a short line is not cut", () => {
    expect(pieces("abc", "", 3)).toMatchObject({ hidden: 0, pieces: [{ text: "abc" }] });
  });
});
