/** How often a guest may ask: a token bucket (as in RFC 2697), so that a flood costs the host next to nothing. */
import type { Milliseconds } from "./units.ts";

/** The allowance after asking once, and how long to wait when there was nothing left (0: it may ask). */
export function spend(
  before: Allowance,
  now: Milliseconds,
): { allowance: Allowance; retryAfter: Milliseconds } {
  const earned = Math.floor(Math.max(0, now - before.at) / REQUEST_EVERY_MS);
  const tokens = Math.min(REQUEST_BURST, before.tokens + earned);
  // A full bucket forgets the time; else the part of an interval that has passed counts towards the next token.
  const at = tokens === REQUEST_BURST ? now : before.at + earned * REQUEST_EVERY_MS;
  if (tokens === 0) return { allowance: { tokens, at }, retryAfter: at + REQUEST_EVERY_MS - now };
  return { allowance: { tokens: tokens - 1, at }, retryAfter: 0 };
}

export function fullAllowance(now: Milliseconds): Allowance {
  return { tokens: REQUEST_BURST, at: now };
}

/** Enough for a guest that lent nearly all it has and wants it back now. */
export const REQUEST_BURST = 8;
/** A load monitor looks once a second; twice that leaves room for a person. */
export const REQUEST_EVERY_MS: Milliseconds = 500;

export interface Allowance {
  readonly tokens: number;
  /** Up to when tokens were earned. */
  readonly at: Milliseconds;
}
