import { beforeEach, describe, expect, test } from "vitest";
import { parseFragment, patchChildren } from "../src/refresh/patch";
import { intervalOf } from "../src/refresh/region";
import { duration, relativeTime } from "../src/refresh/times";

describe("patching a region", () => {
  let live: HTMLElement;
  let before: Node;

  function show(html: string): void {
    live.innerHTML = html;
    before = live.cloneNode(true);
  }

  function update(html: string): void {
    const after = parseFragment(html);
    patchChildren(live, before, after);
    before = after;
  }

  beforeEach(() => {
    live = document.createElement("div");
    document.body.replaceChildren(live);
  });

  test("what did not change keeps its element and what was typed into it", () => {
    show('<p>1</p><details><summary>s</summary></details><input id="i" value="a">');
    const input = live.querySelector("input") as HTMLInputElement;
    const details = live.querySelector("details") as HTMLDetailsElement;
    input.value = "typed";
    input.focus();
    details.open = true;
    update('<p>2</p><details><summary>s</summary></details><input id="i" value="a">');
    expect(live.querySelector("p")?.textContent).toBe("2");
    expect(live.querySelector("input")).toBe(input);
    expect(input.value).toBe("typed");
    expect(document.activeElement).toBe(input);
    expect(details.open).toBe(true);
  });

  test("white space around the fragment changes nothing", () => {
    show("\n  <b>x</b>\n");
    const bold = live.querySelector("b");
    update("<b>x</b>");
    expect(live.querySelector("b")).toBe(bold);
  });

  test("rows with a key move as they are", () => {
    show('<ul><li data-key="a">a</li><li data-key="b">b</li></ul>');
    const [a, b] = [...live.querySelectorAll("li")];
    update('<ul><li data-key="n">n</li><li data-key="b">b!</li><li data-key="a">a</li></ul>');
    const rows = [...live.querySelectorAll("li")];
    expect(rows.map((row) => row.textContent)).toEqual(["n", "b!", "a"]);
    expect([rows[1], rows[2]]).toEqual([b, a]);
    expect(rows[2]).toBe(a);
  });

  test("attributes come and go, but those of other scripts stay", () => {
    show('<p class="a" title="t">x</p>');
    const paragraph = live.querySelector("p") as HTMLElement;
    paragraph.setAttribute("data-mine", "1");
    update('<p class="b">x</p>');
    expect(live.querySelector("p")).toBe(paragraph);
    expect(paragraph.outerHTML).toBe('<p class="b" data-mine="1">x</p>');
  });

  test("a structure that another script has changed is replaced as a whole", () => {
    show("<p>1</p>");
    live.append(document.createElement("hr"));
    update("<p>2</p><p>3</p>");
    expect(live.innerHTML).toBe("<p>2</p><p>3</p>");
  });

  test("updates in a row arrive at what the server sent last", () => {
    show("<p>1</p>");
    for (const html of ["<p>2</p><i>x</i>", "<i>y</i>", "", "<p>z</p> text", "<b>1</b><p>z</p>"]) {
      update(html);
      expect(live.innerHTML).toBe(html);
    }
  });
});

test.each([
  ["30", false, 30],
  ["1", false, 5],
  ["1", true, 1],
  ["0", false, 0],
  [undefined, false, 0],
  ["often", true, 0],
])("an interval of %j (fast: %j) is %i s", (seconds, fast, expected) => {
  expect(intervalOf(seconds, fast)).toBe(expected);
});

test.each([
  [-5, "5 seconds ago"],
  [0, "now"],
  [-59, "59 seconds ago"],
  [-60, "1 minute ago"],
  [7_199, "in 1 hour"],
  [-86_400, "yesterday"],
])("%i seconds from now is %j", (seconds, text) => {
  expect(relativeTime(1e12 + seconds * 1_000, 1e12, "en")).toBe(text);
});

test.each([
  [0, "0s"],
  [-5_000, "0s"],
  [59_999, "59s"],
  [61_000, "1m 1s"],
  [3_600_000, "1h 0m"],
  [90_061_000, "1d 1h"],
])("%i milliseconds last %j", (milliseconds, text) => {
  expect(duration(milliseconds, "en")).toBe(text);
});

test("durations and times speak the language of the page", () => {
  expect(duration(61_000, "zh-hans")).toContain("分");
  expect(relativeTime(0, 120_000, "zh-hans")).toContain("分钟前");
});
