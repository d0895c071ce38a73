/** The seven fields of a cron expression. With five the seconds and the year are left out, with six the year. */

export const FIELDS = ["second", "minute", "hour", "day", "month", "weekday", "year"] as const;

export type Field = (typeof FIELDS)[number];
export type Fields = Record<Field, string>;

/** What a field means when it is left out. */
export const DEFAULTS: Fields = { second: "0", minute: "*", hour: "*", day: "*", month: "*", weekday: "*", year: "*" };

/** Values a field takes, as shown in its help. */
export const BOUNDS: Record<Field, string> = {
  second: "0–59",
  minute: "0–59",
  hour: "0–23",
  day: "1–31, L",
  month: "1–12, JAN–DEC",
  weekday: "0–7, SUN–SAT",
  year: "1970–2099",
};

/** The fields of an expression, or null when it does not have 5, 6 or 7. Values are not judged: the server does that. */
export function parseExpression(expression: string): Fields | null {
  const parts = expression.trim().split(/\s+/);
  if (parts.length < 5 || parts.length > 7) return null;
  const [second, rest] = parts.length === 5 ? [DEFAULTS.second, parts] : [parts[0] ?? "", parts.slice(1)];
  const [minute = "", hour = "", day = "", month = "", weekday = "", year = DEFAULTS.year] = rest;
  return { second, minute, hour, day, month, weekday, year };
}

/** The shortest expression with these fields. A field that is empty counts as its default. */
export function composeExpression(fields: Partial<Fields>): string {
  const value = (field: Field): string => (fields[field] ?? "").replace(/\s+/g, "") || DEFAULTS[field];
  const year = value("year") !== DEFAULTS.year;
  const second = year || value("second") !== DEFAULTS.second;
  return FIELDS.filter((field) => (field !== "second" || second) && (field !== "year" || year))
    .map(value)
    .join(" ");
}
