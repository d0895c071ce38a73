import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const PAGE = `
  <form data-console data-stop-url="/stop/" action="/console/">
    <input name="csrfmiddlewaretoken" value="token"><textarea name="sql">select 1</textarea>
    <button name="mode" value="read" data-console-run>Run</button>
    <button type="button" data-console-stop hidden>Stop</button><span data-console-status></span>
  </form>
  <div data-console-result><input type="hidden" name="key" value="old"></div>`;

interface Call {
  url: string;
  body: FormData;
}

let calls: Call[];
let answer: (text: string) => void;

function part<T extends HTMLElement>(selector: string): T {
  const found = document.querySelector<T>(selector);
  if (!found) throw new Error(selector);
  return found;
}

beforeEach(async () => {
  document.body.innerHTML = PAGE;
  calls = [];
  vi.stubGlobal("fetch", (url: string, options: { body: FormData }) => {
    calls.push({ url: String(url), body: options.body });
    if (String(url).endsWith("/stop/")) return Promise.resolve({ ok: true });
    return new Promise((done) => {
      answer = (text) => done({ ok: true, redirected: false, text: () => Promise.resolve(text) });
    });
  });
  vi.resetModules();
  await import("../src/console");
});

afterEach(() => vi.unstubAllGlobals());

describe("the console", () => {
  it("sends the form on Ctrl+Enter and shows the answer without running its scripts", async () => {
    part("textarea").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", ctrlKey: true, bubbles: true }));
    expect(calls.map((call) => call.body.get("sql"))).toEqual(["select 1"]);
    expect(part<HTMLButtonElement>("[data-console-stop]").hidden).toBe(false);
    answer("<p>two rows</p><script>window.ran = true</script>");
    await vi.waitFor(() => expect(part("[data-console-result]").textContent).toContain("two rows"));
    expect((window as unknown as { ran?: boolean }).ran).toBeUndefined();
    expect(part<HTMLButtonElement>("[data-console-stop]").hidden).toBe(true);
  });

  it("asks once while a query runs, and stops it by a request of its own", async () => {
    const press = () => part("textarea").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", ctrlKey: true, bubbles: true }));
    press();
    press();
    expect(calls.length).toBe(1);
    part("[data-console-stop]").click();
    await vi.waitFor(() => expect(calls[1]?.url).toContain("/stop/"));
    expect(calls[1]?.body.get("csrfmiddlewaretoken")).toBe("token");
    answer("<p>cancelled</p>");
    await vi.waitFor(() => expect(part("[data-console-result]").textContent).toContain("cancelled"));
  });
});
