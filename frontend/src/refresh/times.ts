/** Relative times and running durations, in the language of the page. */

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** "3 minutes ago", "in 2 hours". */
export function relativeTime(at: number, now: number, language: string): string {
  const seconds = Math.round((at - now) / 1_000);
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "long" });
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) return format.format(Math.trunc(seconds / size), unit);
  }
  return format.format(seconds, "second");
}

const UNITS: readonly ["day" | "hour" | "minute" | "second", number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** The two largest units of a duration: "2h 5m", "12s". */
export function duration(milliseconds: number, language: string): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000));
  const largest = UNITS.findIndex(([, size]) => seconds >= size);
  const shown = largest === -1 ? UNITS.slice(-1) : UNITS.slice(largest, largest + 2);
  let rest = seconds;
  const parts = shown.map(([unit, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "narrow" }).format(count);
  });
  return parts.join(" ");
}
