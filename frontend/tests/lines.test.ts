import { describe, expect, test } from "vitest";
import { type Chunk, LineLog, plainText, type Stream } from "../src/logs/lines";

let seq = 0;
const chunk = (text: string, stream: Stream = "stdout"): Chunk => ({ seq: (seq += 1), stream, at: "2026-11-20T09:00:00Z", text });
const lines = (...chunks: Chunk[]): string[] => {
  const log = new LineLog();
  for (const one of chunks) log.append([one]);
  return log.lines.map(plainText);
};

describe("lines from chunks", () => {
  test.each<[string, string[], string[]]>([
    ["a chunk with several lines", ["a\nb\n"], ["a", "b"]],
    ["a line in three chunks", ["a", "b", "c\n"], ["abc"]],
    ["an empty line", ["a\n\nb\n"], ["a", "", "b"]],
    ["a line feed of its own", ["a", "\n", "b"], ["a", "b"]],
    ["no line feed at the end", ["a\nb"], ["a", "b"]],
    ["Windows line ends", ["a\r\nb\r\n"], ["a", "b"]],
    ["Windows line end split between chunks", ["a\r", "\nb"], ["a", "b"]],
    ["a progress bar", ["10%\r50%\r100%\n"], ["100%"]],
    ["a progress bar over many chunks", ["10%", "\r50%", "\r", "100%", "\n"], ["100%"]],
    ["a return that nothing follows yet keeps the text", ["50%\r"], ["50%"]],
    ["several returns", ["a\r\r\rb\n"], ["b"]],
  ])("%s", (_, texts, expected) => {
    expect(lines(...texts.map((text) => chunk(text)))).toEqual(expected);
  });

  test("streams that alternate in mid-line keep their lines apart", () => {
    expect(lines(chunk("out "), chunk("err\n", "stderr"), chunk("put\n"))).toEqual(["out put", "err"]);
  });

  test("an escape sequence split between chunks is whole again", () => {
    const log = new LineLog();
    log.append([chunk("\x1b[3"), chunk("1mred\nstill\n")]);
    expect(log.lines.map(plainText)).toEqual(["red", "still"]);
    expect(log.lines[1]?.start.fg).toBe("1");
  });

  test("a colour from a drawing that was overwritten still counts", () => {
    const log = new LineLog();
    log.append([chunk("\x1b[32m10%\r20%\n")]);
    expect(log.lines[0]).toMatchObject({ text: "20%", start: { fg: "2" } });
  });

  test("colours of one stream do not reach the other", () => {
    const log = new LineLog();
    log.append([chunk("\x1b[31mred\n"), chunk("plain\n", "stderr")]);
    expect(log.lines[1]?.start.fg).toBeNull();
  });

  test("a long progress bar does not grow in memory", () => {
    const log = new LineLog();
    for (let step = 0; step < 1_000; step += 1) log.append([chunk(`\r${step}%`)]);
    expect(log.lines[0]?.text.length).toBeLessThan(10);
  });
});

test("append says which lines are new and which older ones changed", () => {
  const log = new LineLog();
  expect(log.append([chunk("a\nb")])).toEqual({ first: 0, touched: [] });
  expect(log.append([chunk("x\n", "stderr")])).toEqual({ first: 2, touched: [] });
  expect(log.append([chunk("c\nd\n")])).toEqual({ first: 3, touched: [1] });
  expect(log.append([])).toEqual({ first: 4, touched: [] });
});
