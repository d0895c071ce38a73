import { expect, test } from "vitest";
import { bodyOf } from "../src/alertforms/body";

test("only the named fields are posted, with the token and the object", () => {
  const form = document.createElement("form");
  form.innerHTML = `
    <input name="csrfmiddlewaretoken" value="t"><input name="password" value="secret">
    <input type="checkbox" name="selector_jobs" value="a" checked><input type="checkbox" name="selector_jobs" value="b" checked>
    <input type="checkbox" name="selector_jobs" value="c">
    <input name="selector_labels" value="x" disabled>`;
  const body = bodyOf(form, (name) => name.startsWith("selector_"), "12");
  expect([...body]).toEqual([
    ["csrfmiddlewaretoken", "t"],
    ["selector_jobs", "a"],
    ["selector_jobs", "b"],
    ["object_id", "12"],
  ]);
  expect(bodyOf(form, () => false, "").has("object_id")).toBe(false);
});
