/** A JSON object as rows of a key and a value that people can type. */

export interface Pair {
  readonly key: string;
  readonly value: string;
}

/** `texts`: every value is a text, as in a list of headers; nothing that is typed is read as JSON. */
export type Mode = "json" | "texts";

/** The rows of a JSON object, or null when the text is not one. */
export function toPairs(json: string, mode: Mode = "json"): Pair[] | null {
  if (json.trim() === "") return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return null;
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return null;
  return Object.entries(parsed).map(([key, value]) => ({ key, value: showValue(value, mode) }));
}

/** A text is shown bare, unless it would be read back as something else: the text "12" keeps its quotes. */
function showValue(value: unknown, mode: Mode): string {
  if (typeof value !== "string") return JSON.stringify(value);
  return mode === "texts" || readValue(value) === value ? value : JSON.stringify(value);
}

/** Numbers, true, false, null, lists, objects and quoted texts are JSON; everything else is a text as it stands. */
export function readValue(text: string): unknown {
  const trimmed = text.trim();
  try {
    const value: unknown = JSON.parse(trimmed);
    // A number that would change, such as an order number of 20 digits, stays a text.
    if (typeof value === "number" && String(value) !== trimmed && !/[.eE]/.test(trimmed)) return text;
    return value;
  } catch {
    return text;
  }
}

/** The JSON object of the rows. Rows without a key are left out; of two equal keys the later one counts. */
export function toJson(pairs: readonly Pair[], mode: Mode = "json"): string {
  const read = mode === "texts" ? String : readValue;
  const entries = pairs.map(({ key, value }) => [key.trim(), read(value)] as const).filter(([key]) => key !== "");
  return JSON.stringify(Object.fromEntries(entries), null, 2);
}

/** Keys that occur more than once. */
export function repeatedKeys(pairs: readonly Pair[]): string[] {
  const keys = pairs.map(({ key }) => key.trim()).filter(Boolean);
  return [...new Set(keys.filter((key, index) => keys.indexOf(key) !== index))];
}
