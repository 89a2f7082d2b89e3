/** Which vCPUs change their pCPUs, each with the reason; the plan minus the snapshot, for people and for the journal. */
import type { HostTopology } from "./host_topology.ts";
import type { ObservedVcpu } from "./observed_vcpu.ts";
import type { Move, PlannedVcpu } from "./plan.ts";
import type { Reason } from "./reason.ts";
import type { DomainId, NodeId, PcpuId } from "./units.ts";

/** Ordered by domain and index, like `residents`. */
export function movesOf(topology: HostTopology, residents: readonly Resident[]): Move[] {
  const moves: Move[] = [];
  let occupants: BeforeAndAfter | null = null;
  for (const resident of residents) {
    for (const observed of resident.vcpus) {
      const planned = resident.planned[observed.order]!;
      const { index, pins } = observed.vcpu;
      if (pins !== null && sameList(pins, planned.pcpus)) continue;
      // Between two plans hardly anybody moves; only then is it of interest who was where.
      occupants ??= occupantsOf(topology, residents);
      const why = whyMoved({ topology, resident, observed, planned, ...occupants });
      moves.push({ domain: resident.id, vcpu: index, from: pins, to: planned.pcpus, why });
    }
  }
  return moves;
}

/** A domain with where it is and where it should be; its vCPUs as observed and as planned, in the same order. */
export interface Resident {
  readonly id: DomainId;
  readonly vcpus: readonly ObservedVcpu[];
  /** The node of each vCPU's memory, or `null`. */
  readonly homes: readonly (NodeId | null)[] | null;
  readonly planned: readonly PlannedVcpu[];
}

/** Who uses each pCPU of the pool, by position. */
interface Occupants {
  readonly first: (DomainId | null)[];
  /** One more domain, if there is one. */
  readonly second: (DomainId | null)[];
}

interface BeforeAndAfter {
  readonly before: Occupants;
  readonly after: Occupants;
}

function occupantsOf(topology: HostTopology, residents: readonly Resident[]): BeforeAndAfter {
  const nobody = (): Occupants => ({
    first: topology.ids.map(() => null),
    second: topology.ids.map(() => null),
  });
  const [before, after] = [nobody(), nobody()];
  const occupy = ({ first, second }: Occupants, pcpus: readonly PcpuId[], domain: DomainId) => {
    for (const pcpu of pcpus) {
      const position = topology.positionOf.get(pcpu);
      if (position === undefined) continue;
      if (first[position] === null) first[position] = domain;
      else if (first[position] !== domain) second[position] ??= domain;
    }
  };
  for (const { id, vcpus, planned } of residents) {
    for (const { vcpu, inUse, order } of vcpus) {
      if (inUse && vcpu.pins !== null) occupy(before, vcpu.pins, id);
      const { online, pcpus } = planned[order]!;
      if (online) occupy(after, pcpus, id);
    }
  }
  return { before, after };
}

interface WhyOptions extends BeforeAndAfter {
  readonly topology: HostTopology;
  readonly resident: Resident;
  readonly observed: ObservedVcpu;
  readonly planned: PlannedVcpu;
}

function whyMoved({ topology, resident, observed, planned, before, after }: WhyOptions): Reason {
  const { pins } = observed.vcpu;
  const { positionOf } = topology;
  if (!planned.online) return { code: "confined-while-offline" };
  if (pins === null || (1 < pins.length && positionOf.size <= pins.length))
    return { code: "first-placement" };
  const home = homeReached(topology, { resident, observed, planned });
  if (home !== null) return { code: "near-memory", guestNode: observed.vcpu.guestNode, node: home };
  if (!observed.inUse) return { code: "brought-online" };
  const gone = pins.find((pcpu) => !positionOf.has(pcpu));
  if (gone !== undefined) return { code: "pcpu-gone", pcpu: gone };
  if (1 < pins.length || 1 < planned.pcpus.length) {
    return { code: "set-resized", from: pins.length, to: planned.pcpus.length };
  }
  const [from, to] = [positionOf.get(pins[0]!)!, positionOf.get(planned.pcpus[0]!)!];
  if (after.second[to] !== null) return { code: "must-share" };
  if (before.second[from] !== null) return { code: "own-pcpu-instead-of-shared" };
  const heir = after.first[from] ?? resident.id;
  if (heir !== resident.id) return { code: "pcpu-given-to", domain: heir };
  return { code: "closer", to: closeness(topology, resident, to) };
}

/** The node of its memory, if it comes there from elsewhere and the host has more than one. */
function homeReached(
  { pcpus, positionOf, root }: HostTopology,
  { resident, observed, planned }: Pick<WhyOptions, "resident" | "observed" | "planned">,
): NodeId | null {
  const home = resident.homes?.[observed.order] ?? null;
  if (home === null || root.children.length === 1 || planned.pcpus.length !== 1) return null;
  const nodeAt = (pcpu: PcpuId) => pcpus[positionOf.get(pcpu) ?? -1]?.node;
  const wasThere = observed.inUse && observed.vcpu.pins?.every((pcpu) => nodeAt(pcpu) === home) === true;
  return nodeAt(planned.pcpus[0]!) === home && !wasThere ? home : null;
}

/** The smallest surroundings of `to` that hold another vCPU of the domain. */
function closeness(
  { pcpus, positionOf }: HostTopology,
  resident: Resident,
  to: number,
): "node" | "llc" | "core" {
  const here = pcpus[to]!;
  const siblings = resident.planned
    .flatMap((vcpu) => vcpu.pcpus)
    .map((pcpu) => pcpus[positionOf.get(pcpu)!]!)
    .filter((pcpu) => pcpu !== here);
  if (siblings.some((pcpu) => pcpu.core === here.core)) return "core";
  if (siblings.some((pcpu) => pcpu.llc === here.llc)) return "llc";
  return "node";
}

function sameList(a: readonly PcpuId[], b: readonly PcpuId[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}
