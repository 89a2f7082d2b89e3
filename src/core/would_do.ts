/** What stands between the plan and the host: what the controller would do, also while it only observes. */
import type { Command } from "./action.ts";
import type { ControllerState } from "./controller_state.ts";
import type { Policy } from "./policy.ts";
import { reconcile } from "./reconcile.ts";
import { ALL_SAFEGUARDS } from "./safeguards.ts";
import type { Milliseconds } from "./units.ts";
import { wantedDomains } from "./wanted_domains.ts";

/** Ordered by domain, takes before gives; what has to wait for others to leave stands last. Nothing is done by it. */
export function wouldDo(policy: Policy, state: ControllerState, now: Milliseconds): readonly Command[] {
  if (state.snapshot === null) return [];
  const wanted = wantedDomains(policy, state, { now, safeguards: ALL_SAFEGUARDS });
  const { ready, blocked } = reconcile(wanted, state.snapshot);
  return [...ready, ...blocked.map(({ command }) => command)];
}
