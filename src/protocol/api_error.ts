/**
 * How the API refuses: `{ error: { code, message, advice } }` with the status of its code. `message` says what is wrong,
 * `advice` what to do; both are sentences for a person, `code` is for programs.
 */
import { z } from "zod";
import { API_ERROR_STATUS, type ApiErrorCode } from "./api_codes.ts";

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
