/** The admin theme switches between light and dark with a class on the root element. */

export function isDark(): boolean {
  return document.documentElement.classList.contains("dark");
}

/** Calls `listener` at each switch, until the returned function is called. */
export function onThemeChange(listener: (dark: boolean) => void): () => void {
  let known = isDark();
  const observer = new MutationObserver(() => {
    if (isDark() === known) return;
    known = isDark();
    listener(known);
  });
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
  return () => observer.disconnect();
}
