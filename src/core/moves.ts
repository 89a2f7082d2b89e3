/** Which vCPUs change their pCPUs, each with the reason; the plan minus the snapshot, for people and for the journal. */
import type { Pcpu, Vcpu } from "./model.ts";
import type { Move, PlannedVcpu } from "./plan.ts";
import type { Reason } from "./reason.ts";
import type { DomainId, PcpuId, VcpuIndex } from "./units.ts";

/** Ordered by domain and index, like `residents`. */
export function movesOf(pool: readonly Pcpu[], residents: readonly Resident[]): Move[] {
  const pcpuOf = new Map(pool.map((pcpu) => [pcpu.id, pcpu]));
  const before = occupants(residents, (resident, index) => {
    const { pins, index: vcpu } = resident.vcpus[index]!;
    return resident.usedNow.has(vcpu) ? (pins ?? []) : [];
  });
  const after = occupants(residents, (resident, index) => {
    const { online, pcpus } = resident.planned[index]!;
    return online ? pcpus : [];
  });
  const moves: Move[] = [];
  for (const resident of residents) {
    resident.vcpus.forEach((vcpu, index) => {
      const planned = resident.planned[index]!;
      if (vcpu.pins !== null && sameList(vcpu.pins, planned.pcpus)) return;
      const why = whyMoved({ resident, vcpu, planned, pcpuOf, before, after });
      moves.push({ domain: resident.id, vcpu: vcpu.index, from: vcpu.pins, to: planned.pcpus, why });
    });
  }
  return moves;
}

/** A domain with where it is and where it should be. */
export interface Resident {
  readonly id: DomainId;
  /** Plugged vCPUs as observed and as planned, in the same order. */
  readonly vcpus: readonly Vcpu[];
  readonly planned: readonly PlannedVcpu[];
  readonly usedNow: ReadonlySet<VcpuIndex>;
}

type Occupants = ReadonlyMap<PcpuId, ReadonlySet<DomainId>>;

function occupants(
  residents: readonly Resident[],
  pcpusOf: (resident: Resident, index: number) => readonly PcpuId[],
): Occupants {
  const present = new Map<PcpuId, Set<DomainId>>();
  for (const resident of residents) {
    resident.vcpus.forEach((_, index) => {
      for (const pcpu of pcpusOf(resident, index)) {
        const domains = present.get(pcpu);
        if (domains === undefined) present.set(pcpu, new Set([resident.id]));
        else domains.add(resident.id);
      }
    });
  }
  return present;
}

interface WhyOptions {
  readonly resident: Resident;
  readonly vcpu: Vcpu;
  readonly planned: PlannedVcpu;
  readonly pcpuOf: ReadonlyMap<PcpuId, Pcpu>;
  readonly before: Occupants;
  readonly after: Occupants;
}

function whyMoved({ resident, vcpu, planned, pcpuOf, before, after }: WhyOptions): Reason {
  const { pins } = vcpu;
  if (!planned.online) return { code: "confined-while-offline" };
  if (pins === null || (1 < pins.length && [...pcpuOf.keys()].every((pcpu) => pins.includes(pcpu)))) {
    return { code: "first-placement" };
  }
  if (!resident.usedNow.has(vcpu.index)) return { code: "brought-online" };
  const gone = pins.find((pcpu) => !pcpuOf.has(pcpu));
  if (gone !== undefined) return { code: "pcpu-gone", pcpu: gone };
  if (1 < pins.length || 1 < planned.pcpus.length) {
    return { code: "set-resized", from: pins.length, to: planned.pcpus.length };
  }
  const [from, to] = [pins[0]!, planned.pcpus[0]!];
  if (1 < after.get(to)!.size) return { code: "must-share" };
  if (1 < before.get(from)!.size) return { code: "own-pcpu-instead-of-shared" };
  const heir = [...(after.get(from) ?? [])].find((domain) => domain !== resident.id);
  if (heir !== undefined) return { code: "pcpu-given-to", domain: heir };
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
