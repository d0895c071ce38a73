/** The job kinds that a block of fields belongs to, from its attribute or its classes. */
export function kindsOf(attribute: string | undefined, className: string): string[] {
  const listed = (attribute ?? "").split(/[\s,]+/).filter(Boolean);
  const classes = className.split(/\s+/).filter((name) => name.startsWith("kind-fields-"));
  return [...listed, ...classes.map((name) => name.slice("kind-fields-".length))];
}
