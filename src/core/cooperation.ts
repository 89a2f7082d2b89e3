/**
 * Co-operation is not assumed (after squeezed, Xen's memory balloon daemon): a guest that makes no progress
 * towards its target is *stuck*, and the others stop waiting for it; stuck for long, it is *uncooperative*, and a
 * person should look. Any progress forgives everything.
 */
import type { Patience } from "./policy.ts";
import type { Milliseconds } from "./units.ts";

export type Standing = "active" | "stuck" | "uncooperative";

export interface Cooperation {
  readonly standing: Standing;
  /** How many vCPUs differ from what was asked; 0 when the guest follows. */
  readonly distance: number;
  /** When the guest last came nearer, or was last asked for something new. */
  readonly progressAt: Milliseconds;
}

export function newCooperation(now: Milliseconds): Cooperation {
  return { standing: "active", distance: 0, progressAt: now };
}

/**
 * The standing after one more look at the guest. `asked` is true when the guest was given another target since the
 * last look, which starts its patience anew.
 */
export function judge(
  before: Cooperation,
  look: { readonly distance: number; readonly asked: boolean; readonly now: Milliseconds },
  patience: Patience,
): Cooperation {
  const { distance, asked, now } = look;
  if (distance === 0 || distance < before.distance || (before.distance === 0 && distance > 0) || asked) {
    return { standing: "active", distance, progressAt: now };
  }
  const idleFor = now - before.progressAt;
  const standing: Standing =
    idleFor < patience.stuckAfter
      ? "active"
      : idleFor < patience.stuckAfter + patience.uncooperativeAfter
        ? "stuck"
        : "uncooperative";
  return { standing, distance, progressAt: before.progressAt };
}
