import type { ErrorBody, ErrorCode, ErrorObject } from './types';

/** Errors that the service did not report. */
export type LocalCode = 'offline' | 'connection_lost' | 'events_blocked' | 'unreadable';

/** Every failed call, whether the service answered or not, reaches the page as one of these. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    readonly code: ErrorCode | LocalCode,
    message: string,
    readonly retryable: boolean,
    readonly requestId: string | null = null,
    readonly retryAfterSeconds: number | null = null,
    readonly details: ErrorObject['details'] = null,
  ) {
    super(message);
  }

  static local(code: LocalCode): ApiError {
    return new ApiError(0, code, LOCAL_MESSAGES[code], true);
  }

  static fromObject(error: Partial<ErrorObject>, status: number, requestId: string | null): ApiError {
    const code = error.code ?? codeOfStatus(status);
    return new ApiError(
      status,
      code,
      messageFor(code, error.message),
      error.retryable ?? status >= 500,
      error.request_id ?? requestId,
      error.retry_after ?? null,
      error.details ?? null,
    );
  }

  static async fromResponse(response: Response): Promise<ApiError> {
    const requestId = response.headers.get('X-Request-Id');
    try {
      const body = (await response.json()) as Partial<ErrorBody> | null;
      return ApiError.fromObject(body?.error ?? {}, response.status, requestId);
    } catch {
      return ApiError.fromObject({}, response.status, requestId);
    }
  }
}

export function toApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : ApiError.local('offline');
}

const LOCAL_MESSAGES: Record<LocalCode, string> = {
  offline: 'The service can’t be reached. Check your connection and try again.',
  connection_lost: 'The connection was lost while the answer was being written.',
  events_blocked: 'Something between you and the service holds answers back. Try again, or use another network.',
  unreadable: 'The service sent something this page can’t read. Try again, or reload the page.',
};

/** For errors of which the page can tell its reader more than the service's own sentence does. */
const MESSAGES: Partial<Record<ErrorCode, string>> = {
  unauthenticated: 'You’re signed out. Sign in to go on.',
  feature_disabled: 'Chat isn’t switched on for your account.',
  session_not_found: 'This chat doesn’t exist, or it was deleted.',
  generation_in_progress: 'An answer is still being written in this chat. Wait for it, or stop it first.',
  context_length_exceeded: 'This chat has become too long for the model. Start a new one.',
  rate_limited: 'You’re sending messages too quickly.',
  quota_exceeded: 'You’ve used all of today’s messages.',
  too_many_streams: 'Too many of your answers are being written at once. Wait for one to finish.',
  upstream_rate_limited: 'The model is busy right now. Try again in a moment.',
  upstream_error: 'The model couldn’t answer. Try again in a moment.',
  upstream_timeout: 'The model took too long to answer.',
  api_unavailable: 'The model is unavailable right now. Try again in half a minute.',
  overloaded: 'The service is busy right now. Try again in a moment.',
  database_unavailable: 'The service can’t reach its storage right now. Try again in a moment.',
  quota_unavailable: 'Your quota can’t be checked right now. Try again in a moment.',
  interrupted: 'The answer was cut off.',
  internal: 'Something went wrong on our side.',
};

function messageFor(code: ErrorCode | LocalCode, said: string | undefined): string {
  if (code in LOCAL_MESSAGES) return LOCAL_MESSAGES[code as LocalCode];
  return MESSAGES[code as ErrorCode] ?? said ?? 'Something went wrong.';
}

function codeOfStatus(status: number): ErrorCode | LocalCode {
  if (status === 401) return 'unauthenticated';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'not_found';
  if (status === 413) return 'payload_too_large';
  if (status === 429) return 'overloaded';
  if (status === 502) return 'upstream_error';
  if (status === 503) return 'overloaded';
  if (status === 504) return 'upstream_timeout';
  return status >= 500 ? 'internal' : 'unreadable';
}
