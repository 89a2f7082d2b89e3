/**
 * How the API refuses: `{ error: { code, message, advice } }` with the status of its code. `message` says what is wrong,
 * `advice` what to do; both are sentences for a person, `code` is for programs.
 */
import { z } from "zod";

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

export interface ApiError {
  readonly error: {
    readonly code: ApiErrorCode;
    readonly message: string;
    /** Empty where the message says it all. */
    readonly advice: string;
  };
}

export const apiErrorSchema: z.ZodType<ApiError> = z
  .strictObject({
    error: z.strictObject({
      code: z.enum(Object.keys(API_ERROR_STATUS) as [ApiErrorCode, ...ApiErrorCode[]]),
      message: z.string(),
      advice: z.string(),
    }),
  })
  .meta({ id: "Error" });
