/** Finds the parts of one schedule in a form: the fields of a formset row carry a prefix, such as `schedules-0-`. */

export type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

export interface Parts {
  readonly expression: HTMLInputElement | HTMLTextAreaElement;
  readonly kind: Control | null;
  readonly timezone: Control | null;
  readonly calendar: Control | null;
  readonly calendarPolicy: Control | null;
  readonly natural: HTMLInputElement | null;
  readonly scope: HTMLElement; // what belongs to this schedule alone
  readonly preview: HTMLElement | null;
}

/** Every schedule in the block. A block may hold one schedule or a whole formset. */
export function findParts(block: HTMLElement): Parts[] {
  const expressions = [...block.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>("input, textarea")].filter(
    (field) => /(^|-)expression$/.test(field.name) && !field.name.includes("__prefix__"),
  );
  return expressions.map((expression) => {
    const prefix = expression.name.slice(0, -"expression".length);
    const scope = expressions.length === 1 ? block : scopeOf(expression, block, expressions);
    const named = (name: string): Control | null =>
      block.querySelector<Control>(`[name="${CSS.escape(prefix + name)}"]`);
    return {
      expression,
      kind: named("kind"),
      timezone: named("timezone"),
      calendar: named("calendar"),
      calendarPolicy: named("calendar_policy"),
      natural: scope.querySelector<HTMLInputElement>("[data-natural]"),
      scope,
      preview: scope.querySelector<HTMLElement>("[data-schedule-preview]"),
    };
  });
}

/** The largest element around a field that holds no other schedule. */
function scopeOf(field: HTMLElement, block: HTMLElement, all: readonly HTMLElement[]): HTMLElement {
  let scope: HTMLElement = field;
  for (let next = field.parentElement; next && next !== block.parentElement; next = next.parentElement) {
    const container = next;
    if (all.filter((other) => container.contains(other)).length > 1) break;
    scope = next;
  }
  return scope;
}
