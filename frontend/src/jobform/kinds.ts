/** The kinds that a block of fields belongs to, for each chooser: { kind: ["python", "shell"], condition: ["empty"] }. */
export function kindsOf(attribute: string | undefined, className: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const add = (chooser: string, kind: string): void => void found.set(chooser, [...(found.get(chooser) ?? []), kind]);
  for (const kind of (attribute ?? "").split(/[\s,]+/).filter(Boolean)) add("kind", kind);
  for (const name of className.split(/\s+/)) {
    const match = /^([a-z]+)-fields-(.+)$/.exec(name);
    if (match) add(match[1] ?? "", match[2] ?? "");
  }
  return found;
}

/** Whether a block is shown: each chooser that it names has one of its kinds chosen; choosers that are not there don't count. */
export function isChosen(kinds: Map<string, string[]>, chosen: Map<string, string>): boolean {
  return [...kinds].every(([chooser, wanted]) => !chosen.has(chooser) || wanted.includes(chosen.get(chooser) ?? ""));
}
