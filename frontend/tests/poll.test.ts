import { expect, test } from "vitest";
import type { Chunk } from "../src/logs/lines";
import { hasMore, type Page, retryDelay } from "../src/logs/poll";

const chunks = (count: number, text = "x\n"): Chunk[] =>
  Array.from({ length: count }, (_, index) => ({ seq: index + 1, stream: "stdout", at: "", text }));
const page = (values: Partial<Page>): Page => ({ chunks: [], next: 0, done: false, status: "running", ...values });

test.each<[string, Partial<Page>, boolean]>([
  ["nothing new", {}, false],
  ["a little while it runs", { chunks: chunks(2) }, false],
  ["many chunks while it runs", { chunks: chunks(50) }, true],
  ["much text while it runs", { chunks: chunks(1, "x".repeat(100_000)) }, true],
  ["the rest of a finished run", { chunks: chunks(1), done: true }, true],
  ["the end of a finished run", { done: true }, false],
  ["what the server says counts", { chunks: chunks(50), done: true, more: false }, false],
  ["what the server says counts, the other way too", { more: true }, true],
])("more to fetch at once: %s", (_, values, expected) => {
  expect(hasMore(page(values))).toBe(expected);
});

test("retries come later and later, but within half a minute, or when the server says", () => {
  expect([1, 2, 3, 4, 5, 6, 20].map((failures) => retryDelay(failures, null))).toEqual([
    1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000,
  ]);
  expect(retryDelay(1, 7)).toBe(7_000);
});
