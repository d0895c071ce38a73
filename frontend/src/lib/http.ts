/** Requests to the portal itself, with failures sorted by what the caller can do about them. */

/** `gone`: asking again is pointless (signed out, no permission, not there). `trouble`: try again later. */
export class RequestFailed extends Error {
  constructor(
    readonly kind: "gone" | "trouble",
    readonly status: number,
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(`${kind} ${status}`);
  }
}

function retryAfter(response: Response): number | null {
  const seconds = Number(response.headers.get("Retry-After"));
  return Number.isFinite(seconds) && seconds > 0 ? seconds : null;
}

async function ask(url: string, accept: string, signal?: AbortSignal, body?: FormData): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, {
      headers: { Accept: accept, "X-Requested-With": "XMLHttpRequest" },
      credentials: "same-origin",
      cache: "no-store",
      ...(body ? { method: "POST", body } : {}),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new RequestFailed("trouble", 0);
  }
  // A session that ended is answered with the log-in page, by way of a redirect.
  if (response.redirected && new URL(response.url).pathname !== new URL(url, location.href).pathname) {
    throw new RequestFailed("gone", 401);
  }
  return response;
}

function check(response: Response): void {
  if (response.ok) return;
  const gone = [401, 403, 404, 410].includes(response.status);
  throw new RequestFailed(gone ? "gone" : "trouble", response.status, retryAfter(response));
}

/** The JSON body of the answer; with `body` the request is a POST. `allow` names statuses whose body is an answer too, such as 400 for a refused value. */
export async function getJson<T>(
  url: string,
  options: { signal?: AbortSignal; allow?: number[]; body?: FormData } = {},
): Promise<T> {
  const response = await ask(url, "application/json", options.signal, options.body);
  if (!options.allow?.includes(response.status)) check(response);
  try {
    return (await response.json()) as T;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new RequestFailed("trouble", response.status);
  }
}

export async function getHtml(url: string, body?: FormData): Promise<string> {
  const response = await ask(url, "text/html", undefined, body);
  check(response);
  return response.text();
}

/** Adds query parameters to an address that may already have some; a parameter it has is replaced. */
export function withQuery(url: string, values: Record<string, string | number>): string {
  const address = new URL(url, location.href);
  for (const [name, value] of Object.entries(values)) address.searchParams.set(name, String(value));
  return address.href;
}
