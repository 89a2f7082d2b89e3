/** How often host and agent speak where nobody says otherwise. */
import type { Milliseconds } from "../core/units.ts";

/**
 * A change that was asked for is answered at once, and one by hand is reported at once while the load monitor is at work.
 * What is left, steal time and whether the agent lives, is not worth waking an idle guest for more often.
 */
export const REPORT_EVERY_MS: Milliseconds = 15_000;
/** A daemon that restarts is back long before this; one that is gone for good is noticed within a minute. */
export const GUEST_PATIENCE_MS: Milliseconds = 60_000;
