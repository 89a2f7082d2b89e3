/** The codes of the API's refusals. Apart from their schema, so that the page needs no zod to read them. */

/** Every code with its HTTP status. */
export const API_ERROR_STATUS = {
  "bad-request": 400,
  "wrong-token": 401,
  "not-allowed": 403,
  "cross-site": 403,
  "no-such-route": 404,
  "no-such-domain": 404,
  "wrong-method": 405,
  "too-slow": 408,
  refused: 409,
  "too-large": 413,
  "not-json": 415,
  "headers-too-large": 431,
  "too-many-requests": 429,
  internal: 500,
  unavailable: 503,
} as const;

export type ApiErrorCode = keyof typeof API_ERROR_STATUS;
