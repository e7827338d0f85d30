/** A request that nobody has come for by then is made anew: its answer would be old. */
const KEPT_MS = 10_000;

const early = new Map<string, { asked: number; response: Promise<Response> }>();

/** Every request below /api/v1 is made like this. */
export function ask(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`/api/v1${path}`, { credentials: 'same-origin', cache: 'no-store', redirect: 'error', ...init });
}

/** Sends a GET that will be needed as soon as the page has been loaded, so that it isn't waited for then. */
export function askEarly(path: string): void {
  const response = ask(path);
  response.catch(() => undefined); // who comes for it says so
  early.set(path, { asked: performance.now(), response });
}

/** The answer to an early request, once; undefined: there is none. */
export function takeEarly(path: string): Promise<Response> | undefined {
  const taken = early.get(path);
  early.delete(path);
  return taken !== undefined && performance.now() - taken.asked < KEPT_MS ? taken.response : undefined;
}
