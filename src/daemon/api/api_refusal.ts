/** A request that is refused: thrown by whoever sees the reason, answered in one place. */
import { API_ERROR_STATUS, type ApiErrorCode } from "../../protocol/api_codes.ts";
import type { ApiError } from "../../protocol/api_error.ts";

export class ApiRefusal extends Error {
  readonly code: ApiErrorCode;
  readonly advice: string;

  constructor(code: ApiErrorCode, message: string, advice = "") {
    super(message);
    this.name = "ApiRefusal";
    this.code = code;
    this.advice = advice;
  }

  get status(): (typeof API_ERROR_STATUS)[ApiErrorCode] {
    return API_ERROR_STATUS[this.code];
  }

  toJson(): ApiError {
    return { error: { code: this.code, message: this.message, advice: this.advice } };
  }
}
