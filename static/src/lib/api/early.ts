/** An early response that nobody has taken by then is dropped, and the request made again: it would be old. */
const KEPT_MS = 10_000;

const early = new Map<string, { asked: number; response: Promise<Response> }>();

/** Every request below /api/v1 is made like this. */
export function ask(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`/api/v1${path}`, { credentials: 'same-origin', cache: 'no-store', redirect: 'error', ...init });
}

/** Sends a GET that the page will need as soon as it has been loaded, so that it needn't wait for it then. */
export function askEarly(path: string): void {
  const response = ask(path);
  response.catch(() => undefined); // the caller that takes it reports the failure
  early.set(path, { asked: performance.now(), response });
}

/** The answer to an early request, once; undefined: there is none. */
export function takeEarly(path: string): Promise<Response> | undefined {
  const taken = early.get(path);
  early.delete(path);
  return taken !== undefined && performance.now() - taken.asked < KEPT_MS ? taken.response : undefined;
}
