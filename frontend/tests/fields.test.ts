import { describe, expect, test } from "vitest";
import { composeExpression, parseExpression } from "../src/schedule/fields";

describe("cron fields", () => {
  test.each([
    ["0 2 * * *", { second: "0", minute: "0", hour: "2", day: "*", month: "*", weekday: "*", year: "*" }],
    ["*/10 0 2 1 * MON", { second: "*/10", minute: "0", hour: "2", day: "1", month: "*", weekday: "MON", year: "*" }],
    ["0 0 2 1 1 * 2027", { second: "0", minute: "0", hour: "2", day: "1", month: "1", weekday: "*", year: "2027" }],
    ["  5  4 * *   1 ", { second: "0", minute: "5", hour: "4", day: "*", month: "*", weekday: "1", year: "*" }],
  ])("of %j", (expression, fields) => {
    expect(parseExpression(expression)).toEqual(fields);
  });

  test.each(["", "@daily", "1 2 3 4", "1 2 3 4 5 6 7 8"])("there are none in %j", (expression) => {
    expect(parseExpression(expression)).toBeNull();
  });

  test.each([
    [{}, "* * * * *"],
    [{ minute: "0", hour: "2" }, "0 2 * * *"],
    [{ second: "0", minute: "0" }, "0 * * * *"],
    [{ second: "30" }, "30 * * * * *"],
    [{ year: "2027" }, "0 * * * * * 2027"],
    [{ minute: "", hour: " 1, 2 " }, "* 1,2 * * *"],
  ])("%j make the shortest expression", (fields, expression) => {
    expect(composeExpression(fields)).toBe(expression);
  });

  test.each(["0 2 * * *", "*/5 0 2 * * 1-5", "0 0 0 1 1 * 2030"])("%j survives the way there and back", (expression) => {
    expect(composeExpression(parseExpression(expression) ?? {})).toBe(expression);
  });
});
