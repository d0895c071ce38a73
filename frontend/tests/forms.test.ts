import { describe, expect, test } from "vitest";
import { isChosen, kindsOf } from "../src/jobform/kinds";
import { decodeScript, formatBytes } from "../src/jobform/upload";
import { readValue, repeatedKeys, toJson, toPairs } from "../src/params/pairs";
import { findParts } from "../src/schedule/parts";

describe("parameters as rows", () => {
  test.each([
    '{"a": 1, "b": "text", "c": true, "d": null}',
    '{"number as text": "12", "quoted": "\\"x\\"", "yes": "true", "spaces": " x "}',
    '{"list": [1, 2], "object": {"a": "b"}, "big": 1e30}',
    "{}",
  ])("%s comes back as it was", (json) => {
    expect(JSON.parse(toJson(toPairs(json) ?? []))).toEqual(JSON.parse(json));
  });

  test.each(["[1]", "12", '"x"', "null", "{", "{'a': 1}"])("%s is no object", (json) => {
    expect(toPairs(json)).toBeNull();
  });

  test("an empty field has no rows", () => {
    expect(toPairs("  ")).toEqual([]);
  });

  test.each([
    ["12", 12],
    ["007", "007"],
    ["12345678901234567890", "12345678901234567890"],
    ["1.50", 1.5],
    ["True", "True"],
    ["2026-11-20", "2026-11-20"],
    ["", ""],
  ])("what is typed as %j means %j", (typed, value) => {
    expect(readValue(typed)).toBe(value);
  });

  test("where every value is a text, a text stays as it was typed", () => {
    const json = '{"version": "1.0", "flag": "true", "quoted": "\\"x\\""}';
    expect(toPairs(json, "texts")?.map(({ value }) => value)).toEqual(["1.0", "true", '"x"']);
    expect(JSON.parse(toJson(toPairs(json, "texts") ?? [], "texts"))).toEqual(JSON.parse(json));
  });

  test("rows without a key are left out and repeated keys are named", () => {
    const pairs = [{ key: "", value: "x" }, { key: "a", value: "1" }, { key: " a", value: "2" }];
    expect(JSON.parse(toJson(pairs))).toEqual({ a: 2 });
    expect(repeatedKeys(pairs)).toEqual(["a"]);
  });
});

describe("uploaded scripts", () => {
  const bytes = (...values: number[]): ArrayBuffer => new Uint8Array(values).buffer;

  test("are text in UTF-8 with line feeds", () => {
    expect(decodeScript(new TextEncoder().encode("a\r\n中\rb").buffer as ArrayBuffer)).toBe("a\n中\nb");
    expect(decodeScript(bytes(0xef, 0xbb, 0xbf, 0x61))).toBe("a");
  });

  test("are refused when they are something else", () => {
    expect(decodeScript(bytes(0xff, 0xfe))).toBeNull();
    expect(decodeScript(bytes(0x61, 0x00))).toBeNull();
  });

  test.each([
    [512, "512 B"],
    [65_536, "64 kB"],
    [1_572_864, "1.5 MB"],
  ])("%i bytes are %s", (size, text) => {
    expect(formatBytes(size)).toBe(text);
  });
});

test.each([
  ["python shell", "", { kind: ["python", "shell"] }],
  [undefined, "module kind-fields-sql kind-fields-http", { kind: ["sql", "http"] }],
  [undefined, "kind-fields-result condition-fields-row_count", { kind: ["result"], condition: ["row_count"] }],
  [undefined, "module", {}],
])("the block %j %j is for %j", (attribute, className, kinds) => {
  expect(Object.fromEntries(kindsOf(attribute, className))).toEqual(kinds);
});

test.each([
  ["kind-fields-sql", { kind: "sql" }, true],
  ["kind-fields-sql kind-fields-http", { kind: "http" }, true],
  ["kind-fields-sql", { kind: "shell" }, false],
  ["kind-fields-result condition-fields-empty", { kind: "result", condition: "empty" }, true],
  ["kind-fields-result condition-fields-empty", { kind: "result", condition: "changed" }, false],
  ["kind-fields-result condition-fields-empty", { kind: "portal", condition: "empty" }, false],
  ["flex-fields-wide", { kind: "sql" }, true],
])("the block %j with %j chosen is shown: %j", (className, chosen, isShown) => {
  expect(isChosen(kindsOf(undefined, className), new Map(Object.entries(chosen)))).toBe(isShown);
});

test("each row of a formset is a schedule of its own, and the empty row is none", () => {
  const block = document.createElement("div");
  const row = (index: string): string =>
    `<div class="row"><select name="s-${index}-kind"></select><input name="s-${index}-expression"><p data-schedule-preview id="p${index}"></p></div>`;
  block.innerHTML = row("0") + row("1") + row("__prefix__");
  const parts = findParts(block);
  expect(parts.map(({ expression, kind, preview }) => [expression.name, kind?.getAttribute("name"), preview?.id])).toEqual([
    ["s-0-expression", "s-0-kind", "p0"],
    ["s-1-expression", "s-1-kind", "p1"],
  ]);
});
