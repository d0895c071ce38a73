/**
 * Brings a region of the page up to date with new HTML from the server. It compares the new HTML with what the server
 * sent before, not with the page: whatever the server did not change is not touched, so the focus, scroll positions,
 * open details, ticked boxes and the state of other scripts survive there.
 */

/** The parsed content of a fragment. Scripts in it never run. */
export function parseFragment(html: string): DocumentFragment {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

/** Applies the difference between `before` and `after` to `live`, which was made from `before`. */
export function patchChildren(live: Node, before: Node, after: Node): void {
  if (before.isEqualNode(after) && live.childNodes.length > 0) return;
  if (live.childNodes.length !== before.childNodes.length) {
    replaceChildren(live, after); // another script has changed the structure
    return;
  }
  const present = [...live.childNodes];
  const waiting = new Map<string, [Node, Node][]>(); // what is there, by sort, in order
  [...before.childNodes].forEach((was, index) => {
    const is = present[index];
    if (!is || sortOf(is) !== sortOf(was)) return;
    const pairs = waiting.get(sortOf(was)) ?? [];
    waiting.set(sortOf(was), pairs);
    pairs.push([was, is]);
  });
  const result = [...after.childNodes].map((wanted) => {
    const pair = waiting.get(sortOf(wanted))?.shift();
    if (!pair) return document.importNode(wanted, true);
    const [was, is] = pair;
    patchNode(is, was, wanted);
    return is;
  });
  arrange(live, result);
}

function patchNode(live: Node, before: Node, after: Node): void {
  if (before.isEqualNode(after)) return;
  if (live instanceof Element && before instanceof Element && after instanceof Element) {
    patchAttributes(live, before, after);
    if (live instanceof HTMLTextAreaElement) return; // its text is the person's
    patchChildren(live, before, after);
  } else if (live.nodeValue !== after.nodeValue) {
    live.nodeValue = after.nodeValue;
  }
}

function patchAttributes(live: Element, before: Element, after: Element): void {
  for (const { name, value } of after.attributes) {
    if (before.getAttribute(name) !== value) live.setAttribute(name, value);
  }
  for (const { name } of before.attributes) {
    if (!after.hasAttribute(name)) live.removeAttribute(name);
  }
}

/** Nodes of one sort stand for each other. A row with a key, or an id, stands only for itself and moves with it. */
function sortOf(node: Node): string {
  const key = node instanceof Element ? node.getAttribute("data-key") || node.id : "";
  return `${node.nodeName} ${key}`;
}

function replaceChildren(live: Node, after: Node): void {
  arrange(live, [...after.childNodes].map((node) => document.importNode(node, true)));
}

/** Makes these the children, moving as little as possible: moving a node makes it lose its focus. */
function arrange(parent: Node, children: readonly Node[]): void {
  const keep = new Set(children);
  for (const child of [...parent.childNodes]) if (!keep.has(child)) child.remove();
  let position = parent.firstChild;
  for (const child of children) {
    if (child === position) position = position.nextSibling;
    else parent.insertBefore(child, position);
  }
}
