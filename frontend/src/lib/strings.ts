/**
 * Translated text. The page brings a catalog, `<script type="application/json" id="portal-strings">`,
 * an object from key to sentence with `{name}` placeholders. A missing key shows the key itself.
 */

let catalog: Record<string, string> | undefined;

function load(): Record<string, string> {
  const source = document.getElementById("portal-strings")?.textContent;
  if (!source) return {};
  try {
    const parsed: unknown = JSON.parse(source);
    return typeof parsed === "object" && parsed !== null ? (parsed as Record<string, string>) : {};
  } catch {
    return {};
  }
}

export function t(key: string, values: Record<string, string | number> = {}): string {
  catalog ??= load();
  return fill(catalog[key] ?? key, values);
}

export function fill(sentence: string, values: Record<string, string | number>): string {
  return sentence.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return typeof value === "number" ? value.toLocaleString(language()) : (value ?? whole);
  });
}

/** The language of the page, for numbers and times. */
export function language(): string {
  return document.documentElement.lang || "en";
}
