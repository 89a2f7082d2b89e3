/** Phase 2 of the swarm: what stands between the host as it is and the plan, asked of the host itself. */
import type { ControllerState } from "../../core/controller_state.ts";
import { makePlan } from "../../core/make_plan.ts";
import type { Snapshot } from "../../core/model.ts";
import type { Policy } from "../../core/policy.ts";
import type { AskingGuests } from "./asking_guests.ts";
import type { LightHost } from "./light_host.ts";

/** What stands between the host as it is and the plan; empty when it is as it should be. */
export function pendingOn({ state, policy, host, guests }: Standing): string[] {
  const truth = host.observe();
  if (state.plan === null || state.absent.some(({ awaited }) => awaited)) return ["there is no new plan yet"];
  const pending: string[] = [];
  const seen = new Set(state.snapshot?.domains.map(({ id }) => id));
  for (const { id } of truth.domains) if (!seen.has(id)) pending.push(`${id} was not seen yet`);
  if (state.snapshot?.pcpus.some(({ online }) => !online)) pending.push("not all pCPUs were seen online yet");
  for (const { id, growthGivenUp } of state.domains)
    if (growthGivenUp !== null) pending.push(`${id} is not expected to grow before ${growthGivenUp.until}`);
  const domains = new Map(truth.domains.map((domain) => [domain.id, domain]));
  for (const { id, vcpus, emulatorPcpus } of state.plan.domains) {
    const domain = domains.get(id);
    if (domain === undefined) {
      pending.push(`${id} is planned and not there`);
      continue;
    }
    for (const { index, pcpus, online } of vcpus) {
      const pins = domain.vcpus.find((vcpu) => vcpu.index === index)?.pins;
      const isOnline = host.domains.get(id)!.online.has(index);
      if (String(pins) !== String(pcpus))
        pending.push(`${id}.${index} is on ${String(pins)}, planned on ${String(pcpus)}`);
      if (isOnline !== online)
        pending.push(`${id}.${index} is ${isOnline ? "in use" : "unused"}, planned otherwise`);
    }
    if (String(domain.emulatorPins) !== String(emulatorPcpus)) pending.push(`${id}'s emulator is astray`);
  }
  if (pending.length === 0) pending.push(...planFaults({ state, policy, host, guests }, truth));
  return pending;
}

/** Where nobody asks, counts follow from policy and inventory alone, whatever the history. */
function planFaults(standing: Standing, truth: Snapshot): string[] {
  const { state, policy } = standing;
  if (truth.domains.some(({ guest }) => guest?.asks === true)) return wantedFaults(standing);
  const counts = (plan: NonNullable<ControllerState["plan"]>): string =>
    plan.domains.map(({ id, target }) => `${id}: ${target}`).join(", ");
  const [is, due] = [counts(state.plan!), counts(makePlan(policy, truth))];
  return is === due ? [] : [`the plan has ${is}; from what is there now follows ${due}`];
}

/** Whoever is short of vCPUs has at least what it is due. */
function wantedFaults({ state: { domains, plan, dues }, host, guests }: Standing): string[] {
  const targets = new Map(plan?.domains.map(({ id, target }) => [id, target]));
  const due = new Map(dues?.domains.map((entry) => [entry.id, entry.due]));
  return domains.flatMap(({ id }) => {
    const domain = host.domains.get(id);
    const lacks = (targets.get(id) ?? 0) < (due.get(id) ?? 0);
    if (domain === undefined || !lacks || !guests.isAsking(domain)) return [];
    return [`${id} asks, is due ${due.get(id)} vCPUs and has ${targets.get(id)}`];
  });
}

interface Standing {
  readonly state: ControllerState;
  readonly policy: Policy;
  readonly host: LightHost;
  readonly guests: AskingGuests;
}
