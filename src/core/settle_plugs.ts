/**
 * Requests that wait for a vCPU to be plugged: granted with its number once it is seen in its slot, denied when the
 * command failed for good or the vCPU did not come in time. Nothing is believed but an observation: a command that timed
 * out may have plugged it all the same.
 */
import type { CommandUnderWay } from "./controller_state.ts";
import type { DemandState, DomainDemand } from "./demand.ts";
import { remembering } from "./demand.ts";
import type { Snapshot } from "./model.ts";
import type { Answer } from "./request.ts";
import type { DomainId, Milliseconds, VcpuIndex } from "./units.ts";
import { sameSlot } from "./vcpu_slot.ts";

/**
 * The demand without those that are settled. `settled` is ordered by domain; `vcpu` is null for one that failed. A command
 * that is under way always ends, and is waited for.
 */
export function settlePlugs(
  demand: DemandState,
  { snapshot, underWay, now }: SettleOptions,
): { readonly demand: DemandState; readonly settled: readonly SettledPlug[] } {
  if (demand.domains.every(({ plugging }) => plugging === null)) return { demand, settled: [] };
  const present = new Map(snapshot.domains.map((domain) => [domain.id, domain]));
  const plugs = new Set(
    underWay.flatMap(({ command }) => (command.kind === "plug-vcpu" ? [command.domain] : [])),
  );
  const settled: SettledPlug[] = [];
  const domains = demand.domains.map((entry): DomainDemand => {
    const { plugging } = entry;
    if (plugging === null) return entry;
    const { request, slot, failed, until } = plugging;
    const vcpu = present.get(entry.id)?.vcpus.find((other) => sameSlot(other, slot))?.index ?? null;
    const waits = now < until || plugs.has(entry.id);
    if (vcpu === null && failed === null && waits) return entry;
    settled.push({ domain: entry.id, request, vcpu });
    const done = { ...entry, plugging: null };
    if (vcpu !== null) return { ...done, granted: [...entry.granted, vcpu] };
    const answer: Answer = {
      outcome: "denied",
      why: { code: "plug-failed", node: slot.guestNode, reason: failed },
    };
    return remembering({ ...done, wants: Math.min(entry.wants, plugging.from) }, request, answer);
  });
  return { demand: { domains }, settled };
}

export interface SettleOptions {
  readonly snapshot: Snapshot;
  readonly underWay: readonly CommandUnderWay[];
  readonly now: Milliseconds;
}

export interface SettledPlug {
  readonly domain: DomainId;
  readonly request: string;
  readonly vcpu: VcpuIndex | null;
}
