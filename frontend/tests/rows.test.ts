import { describe, expect, test } from "vitest";
import { columns, contentOffset, FixedRows, MAX_HEIGHT, MeasuredRows, scrollPosition, visibleRange } from "../src/logs/rows";

function measured(heights: number[]): MeasuredRows {
  const rows = new MeasuredRows();
  for (const height of heights) rows.push(height);
  return rows;
}

describe("visible range", () => {
  test("only what is on screen, and some more", () => {
    expect(visibleRange(new FixedRows(100_000, 20), 40_000, 400, 5)).toEqual({ first: 1_995, end: 2_026 });
  });

  test.each([
    [0, 0, 0, 0],
    [3, 0, 0, 3],
    [100, 99_999, 90, 100], // scrolled beyond the end
    [100, -50, 0, 27], // elastic scrolling above the start
  ])("%i rows scrolled to %i", (count, scrollTop, first, end) => {
    expect(visibleRange(new FixedRows(count, 20), scrollTop, 400, 9)).toEqual({ first, end });
  });
});

describe("measured rows", () => {
  test("agree with plain sums, whatever is pushed, set and truncated", () => {
    let random = 7;
    const next = (below: number): number => (random = (random * 48_271) % 2_147_483_647) % below;
    const rows = new MeasuredRows();
    let model: number[] = [];
    for (let step = 0; step < 3_000; step += 1) {
      const action = next(10);
      if (action < 7) {
        const height = 20 * (1 + next(5));
        rows.push(height);
        model.push(height);
      } else if (action < 9 && model.length > 0) {
        const index = next(model.length);
        const height = 20 * (1 + next(9));
        expect(rows.set(index, height)).toBe(height - (model[index] ?? 0));
        model[index] = height;
      } else if (step % 50 === 0) {
        const count = next(model.length + 1);
        rows.truncate(count);
        model = model.slice(0, count);
      }
      const index = next(model.length + 1);
      const top = model.slice(0, index).reduce((sum, height) => sum + height, 0);
      expect(rows.top(index)).toBe(top);
      if (index < model.length) {
        expect(rows.at(top)).toBe(index);
        expect(rows.at(top + (model[index] ?? 0) - 1)).toBe(index);
      }
    }
    expect(rows.height).toBe(model.reduce((sum, height) => sum + height, 0));
  });

  test("a place below the last row is the last row", () => {
    expect(measured([20, 40, 20]).at(10_000)).toBe(2);
    expect(measured([20, 40, 20]).at(-1)).toBe(0);
    expect(new MeasuredRows().at(0)).toBe(0);
  });
});

describe("more content than an element can be high", () => {
  const height = 4 * MAX_HEIGHT;

  test("the ends meet and there is a way back", () => {
    expect(contentOffset(0, height, 500)).toBe(0);
    expect(contentOffset(MAX_HEIGHT - 500, height, 500)).toBe(height - 500);
    expect(contentOffset(scrollPosition(123_456, height, 500), height, 500)).toBeCloseTo(123_456, 3);
  });

  test("below the limit nothing is scaled", () => {
    expect(contentOffset(777, 1_000_000, 500)).toBe(777);
    expect(scrollPosition(777, 1_000_000, 500)).toBe(777);
  });
});

test.each([
  ["abc", 3],
  ["", 0],
  ["中文", 4],
  ["a\tb", 9],
  ["\t", 8],
  ["é", 1],
])("columns of %j", (text, expected) => {
  expect(columns(text)).toBe(expected);
});
