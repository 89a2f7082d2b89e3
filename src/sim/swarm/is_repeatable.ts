/** Invariants 1 and 9: equal inputs, equal bytes, also after a journey through a journal. */
import type { step } from "../../core/controller.ts";
import type { Safeguards } from "../../core/safeguards.ts";
import type { StepTaken } from "../controller/simulated_shell.ts";

export interface Deciding {
  readonly controller: typeof step;
  readonly safeguards: Safeguards;
}

export function isRepeatable(
  { policy, before, event, now, step: taken }: StepTaken,
  { controller, safeguards }: Deciding,
): boolean {
  const journalled = JSON.parse(JSON.stringify({ policy, before, event })) as Pick<
    StepTaken,
    "policy" | "before" | "event"
  >;
  const again = controller(journalled.policy, journalled.before, journalled.event, now, safeguards);
  return JSON.stringify(again) === JSON.stringify(taken);
}
