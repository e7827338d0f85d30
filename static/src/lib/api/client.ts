import { tellOtherTabs } from '../other-tabs';
import { ask, takeEarly } from './early';
import { ApiError } from './errors';

export interface CallOptions {
  method?: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

type Listener = () => void;
const signedOutListeners = new Set<Listener>();

/** Called whenever the service answers 401 to a call that relies on the cookie. */
export function onSignedOut(listener: Listener): () => void {
  signedOutListeners.add(listener);
  return () => signedOutListeners.delete(listener);
}

/** One request below /api/v1; the cookie goes along by itself. Resolves on 2xx; otherwise throws ApiError. */
export async function call(path: string, options: CallOptions = {}): Promise<Response> {
  const { method = 'GET', body, headers = {}, signal } = options;
  let response: Response;
  try {
    response = await ((method === 'GET' && options.headers === undefined ? takeEarly(path) : undefined) ??
      ask(path, {
        method,
        headers: body === undefined ? headers : { 'Content-Type': 'application/json', ...headers },
        body: body === undefined ? null : JSON.stringify(body),
        signal: signal ?? null,
      }));
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw ApiError.local('offline');
  }
  if (response.ok) {
    if (method !== 'GET') tellOtherTabs();
    return response;
  }
  if (response.status === 401 && headers.Authorization === undefined) signedOutListeners.forEach((tell) => tell());
  throw await ApiError.fromResponse(response);
}

export async function callJson<T>(path: string, options: CallOptions = {}): Promise<T> {
  const response = await call(path, options);
  try {
    return (await response.json()) as T;
  } catch (error) {
    if (options.signal?.aborted === true) throw error;
    throw ApiError.local('unreadable');
  }
}

export function query(parameters: Record<string, string | number | null | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined) search.set(name, String(value));
  }
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
}
