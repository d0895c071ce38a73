/** Adds a script's own style sheet to the page, once. A constructed sheet needs no exception in the content security policy. */
export function addStyles(css: string): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}
