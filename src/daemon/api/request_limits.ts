/** How much of the API one client, and all together, may take up. Each bound is far above what the page and the CLI need. */
import { ApiRefusal } from "./api_refusal.ts";

/** A policy change is a few fields; anything longer is a mistake. */
export const BODY_BYTES_MAX: number = 64 * 1024;
/** A token and what a browser sends by itself fit several times. */
export const HEADER_BYTES_MAX: number = 8 * 1024;
/** Browsers send twenty or so. */
export const HEADERS_MAX = 64;
/** A hundred pollers and twenty pages, twice. */
export const CONNECTIONS_MAX = 256;

/**
 * Of each door, all its clients together: the looks of a hundred clients a second, the changes of a person with a script, as
 * many previews of them (each costs the control loop's thread a copy of all it knows), and a few mistyped tokens.
 * Whoever has no token takes nothing from those who have one.
 */
export const RATES: Rates = {
  read: { perSecond: 1_000, burst: 2_000 },
  write: { perSecond: 20, burst: 40 },
  preview: { perSecond: 20, burst: 40 },
  refused: { perSecond: 10, burst: 50 },
};

export type Rates = Readonly<Record<"read" | "write" | "preview" | "refused", Rate>>;

export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** A token bucket: `burst` at once, `perSecond` in the long run. `nowMs` may be of any clock that runs forward. */
export class RateLimit {
  readonly #rate: Rate;
  #left: number;
  #atMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#left = rate.burst;
    this.#atMs = nowMs;
  }

  /** Whether one more is within the rate; it then counts. */
  take(nowMs: number): boolean {
    const refilled = this.#left + ((nowMs - this.#atMs) / 1000) * this.#rate.perSecond;
    this.#left = Math.min(this.#rate.burst, refilled);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}

/** The bounds of one door. */
export class RateLimits {
  readonly #rates: Rates;
  readonly #limits: Readonly<Record<keyof Rates, RateLimit>>;

  constructor(rates: Rates, nowMs: number) {
    this.#rates = rates;
    this.#limits = {
      read: new RateLimit(rates.read, nowMs),
      write: new RateLimit(rates.write, nowMs),
      preview: new RateLimit(rates.preview, nowMs),
      refused: new RateLimit(rates.refused, nowMs),
    };
  }

  /** Throws a refusal when one more of this kind is too many. */
  take(kind: keyof Rates, nowMs: number): void {
    if (this.#limits[kind].take(nowMs)) return;
    throw new ApiRefusal(
      "too-many-requests",
      `More than ${this.#rates[kind].perSecond} requests of this kind a second, of all clients together`,
      "Ask less often, or follow GET /v1/events",
    );
  }
}
