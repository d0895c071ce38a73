/** What is posted: the named fields of the form, its token, and the object it is about. Hidden fields are disabled. */
export function bodyOf(form: HTMLFormElement, names: (name: string) => boolean, object: string | undefined): FormData {
  const body = new FormData();
  for (const [name, value] of new FormData(form)) {
    if (name === "csrfmiddlewaretoken" || names(name)) body.append(name, value);
  }
  if (object) body.set("object_id", object);
  return body;
}
