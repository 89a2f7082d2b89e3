/** Which vCPUs change their pCPUs, each with the reason; the plan minus the snapshot, for people and for the journal. */
import type { Pcpu } from "./model.ts";
import type { ObservedVcpu } from "./observed_vcpu.ts";
import type { Move, PlannedVcpu } from "./plan.ts";
import type { Reason } from "./reason.ts";
import type { DomainId, PcpuId } from "./units.ts";

/** Ordered by domain and index, like `residents`. */
export function movesOf(pool: readonly Pcpu[], residents: readonly Resident[]): Move[] {
  const pcpuOf = new Map(pool.map((pcpu) => [pcpu.id, pcpu]));
  const before = new Map<PcpuId, Occupants>();
  const after = new Map<PcpuId, Occupants>();
  for (const { id, vcpus, planned } of residents) {
    vcpus.forEach(({ vcpu, inUse }, order) => {
      if (inUse) for (const pcpu of vcpu.pins ?? []) occupy(before, pcpu, id);
      const { online, pcpus } = planned[order]!;
      if (online) for (const pcpu of pcpus) occupy(after, pcpu, id);
    });
  }
  const moves: Move[] = [];
  for (const resident of residents) {
    resident.vcpus.forEach((observed, order) => {
      const { index, pins } = observed.vcpu;
      const planned = resident.planned[order]!;
      if (pins !== null && sameList(pins, planned.pcpus)) return;
      const why = whyMoved({ resident, observed, planned, pcpuOf, before, after });
      moves.push({ domain: resident.id, vcpu: index, from: pins, to: planned.pcpus, why });
    });
  }
  return moves;
}

/** A domain with where it is and where it should be; its vCPUs as observed and as planned, in the same order. */
export interface Resident {
  readonly id: DomainId;
  readonly vcpus: readonly ObservedVcpu[];
  readonly planned: readonly PlannedVcpu[];
}

/** Who uses a pCPU: the first domain, and one more if there is one. */
interface Occupants {
  readonly first: DomainId;
  second: DomainId | null;
}

function occupy(occupants: Map<PcpuId, Occupants>, pcpu: PcpuId, domain: DomainId): void {
  const present = occupants.get(pcpu);
  if (present === undefined) occupants.set(pcpu, { first: domain, second: null });
  else if (present.first !== domain) present.second ??= domain;
}

interface WhyOptions {
  readonly resident: Resident;
  readonly observed: ObservedVcpu;
  readonly planned: PlannedVcpu;
  readonly pcpuOf: ReadonlyMap<PcpuId, Pcpu>;
  readonly before: ReadonlyMap<PcpuId, Occupants>;
  readonly after: ReadonlyMap<PcpuId, Occupants>;
}

function whyMoved({ resident, observed, planned, pcpuOf, before, after }: WhyOptions): Reason {
  const { pins } = observed.vcpu;
  if (!planned.online) return { code: "confined-while-offline" };
  if (pins === null || (1 < pins.length && pcpuOf.size <= pins.length)) return { code: "first-placement" };
  if (!observed.inUse) return { code: "brought-online" };
  const gone = pins.find((pcpu) => !pcpuOf.has(pcpu));
  if (gone !== undefined) return { code: "pcpu-gone", pcpu: gone };
  if (1 < pins.length || 1 < planned.pcpus.length) {
    return { code: "set-resized", from: pins.length, to: planned.pcpus.length };
  }
  const [from, to] = [pins[0]!, planned.pcpus[0]!];
  if (after.get(to)!.second !== null) return { code: "must-share" };
  if (before.get(from)!.second !== null) return { code: "own-pcpu-instead-of-shared" };
  const heir = after.get(from)?.first ?? resident.id;
  if (heir !== resident.id) return { code: "pcpu-given-to", domain: heir };
  return { code: "closer", to: closeness({ resident, to, pcpuOf }) };
}

/** The smallest surroundings of `to` that hold another vCPU of the domain. */
function closeness({ resident, to, pcpuOf }: ClosenessOptions): "node" | "llc" | "core" {
  const here = pcpuOf.get(to)!;
  const siblings = resident.planned
    .flatMap(({ pcpus }) => pcpus)
    .filter((pcpu) => pcpu !== to)
    .map((pcpu) => pcpuOf.get(pcpu)!);
  if (siblings.some((pcpu) => pcpu.core === here.core)) return "core";
  if (siblings.some((pcpu) => pcpu.llc === here.llc)) return "llc";
  return "node";
}

interface ClosenessOptions {
  readonly resident: Resident;
  readonly to: PcpuId;
  readonly pcpuOf: ReadonlyMap<PcpuId, Pcpu>;
}

function sameList(a: readonly PcpuId[], b: readonly PcpuId[]): boolean {
  return a.length === b.length && a.every((pcpu, index) => pcpu === b[index]);
}
