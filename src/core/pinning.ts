/**
 * Pinning: each vCPU's pCPU set (B-7, B-18 to B-20).
 *
 * A vCPU in use has a pCPU to itself, or shares one where its domain's grant says so; siblings never meet on a pCPU.
 * A domain with more vCPUs in use than pCPUs (a silent guest, or one that cannot let go) is confined to its pCPUs
 * and each of its vCPUs may run on all of them; so are its offline vCPUs, since a guest can bring one online by
 * itself (pitfall 28). Floating domains have a set in common and may run on all of it.
 *
 * Objective, in this order: the regions (regions.ts: node, cores, LLCs), an even load on shared pCPUs (packing.ts),
 * the fewest vCPUs moved, the guest's order of nodes, cores and threads along the host's, lowest ids.
 */
import { type HostTopology, hostTopology } from "./host_topology.ts";
import type { Pcpu } from "./model.ts";
import type { ObservedVcpu } from "./observed_vcpu.ts";
import { packShared, type SharedVcpu } from "./packing.ts";
import { chooseRegions, type Party } from "./regions.ts";
import type { Grant } from "./target.ts";
import type { DomainId, NodeId, PcpuId } from "./units.ts";

/** One placement per tenant, in their order, which breaks ties. The grants fit the pool, which is not empty. */
export function pinVcpus({ pool, tenants, sharedPcpus, floatingPcpus }: PinningOptions): Placement[] {
  const topology = hostTopology(pool);
  const sides = tenants.map(sidesOf);
  const owners: number[] = [];
  const sharers: number[] = [];
  const floaters: number[] = [];
  tenants.forEach(({ grant }, index) => {
    if (0 < grant.own) owners.push(index);
    if (0 < grant.shared) sharers.push(index);
    if (grant.floats) floaters.push(index);
  });

  const parties: Party[] = owners.map((index) => {
    const { grant, node } = tenants[index]!;
    return { size: grant.own, node, held: heldPositions(topology, sides[index]!.own) };
  });
  const sharing = sharers.flatMap((index) => sides[index]!.shared);
  const floating = floaters.flatMap((index) => sides[index]!.own);
  parties.push({ size: sharedPcpus, node: null, held: heldPositions(topology, sharing) });
  parties.push({ size: floatingPcpus, node: null, held: heldPositions(topology, floating) });
  const regions = chooseRegions(topology, parties);
  const floatingRegion = regions.pop()!;
  const sharedRegion = regions.pop()!;

  const own: number[][] = tenants.map(() => []);
  owners.forEach((index, party) => {
    own[index] = regions[party]!;
  });
  for (const index of floaters) own[index] = floatingRegion;
  const shared = shareRegion({ topology, region: sharedRegion, tenants, sides, sharers });
  const neighbours = neighboursOf({ tenants, shared, floaters });
  const tenantCounts = new Int32Array(pool.length);
  for (const positions of shared) for (const position of positions) tenantCounts[position]! += 1;
  return tenants.map((tenant, index): Placement => {
    const mine = { own: own[index]!, shared: shared[index]! };
    const everywhere = toIds(topology, [...mine.own, ...mine.shared]);
    return {
      pcpus: everywhere,
      sharedPcpus:
        neighbours[index]!.length === 0
          ? []
          : toIds(
              topology,
              tenant.grant.floats ? mine.own : mine.shared.filter((position) => 1 < tenantCounts[position]!),
            ),
      vcpus: placeVcpus({ topology, tenant, sides: sides[index]!, ...mine, everywhere }),
      sharesWith: neighbours[index]!,
    };
  });
}

export interface PinningOptions {
  readonly pool: readonly Pcpu[];
  /** Ordered by id. */
  readonly tenants: readonly Tenant[];
  readonly sharedPcpus: number;
  readonly floatingPcpus: number;
}

/** A domain that looks for a place. */
export interface Tenant {
  readonly id: DomainId;
  readonly grant: Grant;
  readonly node: NodeId | null;
  /** Every plugged vCPU, ordered by index. */
  readonly vcpus: readonly ObservedVcpu[];
  /** For each of them whether it should be in use. */
  readonly used: readonly boolean[];
}

export interface Placement {
  /** All of the domain's pCPUs, ascending. */
  readonly pcpus: readonly PcpuId[];
  /** Those of them that other domains use too. */
  readonly sharedPcpus: readonly PcpuId[];
  /** For each plugged vCPU where it may run, ascending. */
  readonly vcpus: readonly (readonly PcpuId[])[];
  readonly sharesWith: readonly DomainId[];
}

/** The vCPUs that will be on pCPUs of their domain's own and those on shared ones. */
interface Sides {
  /** More vCPUs than pCPUs: each may run on all, and both sides hold every vCPU. */
  readonly crowded: boolean;
  readonly own: readonly ObservedVcpu[];
  readonly shared: readonly ObservedVcpu[];
}

function sidesOf({ grant, vcpus, used }: Tenant): Sides {
  const all = vcpus.filter((_, order) => used[order]);
  if (grant.floats || grant.own + grant.shared < all.length) return { crowded: true, own: all, shared: all };
  return { crowded: false, own: all.slice(0, grant.own), shared: all.slice(grant.own) };
}

/** How many vCPUs are at each position of the pool now; a vCPU that may run anywhere is nowhere in particular. */
function heldPositions(topology: HostTopology, vcpus: readonly ObservedVcpu[]): Map<number, number> {
  const held = new Map<number, number>();
  for (const vcpu of vcpus) {
    for (const position of presentPositions(topology, vcpu)) {
      held.set(position, (held.get(position) ?? 0) + 1);
    }
  }
  return held;
}

/** Where it is now. Where an offline vCPU is pinned says nothing: moving it costs nothing. */
function presentPositions(topology: HostTopology, { vcpu: { pins }, inUse }: ObservedVcpu): number[] {
  const present: number[] = [];
  if (!inUse || pins === null || (1 < pins.length && topology.ids.length <= pins.length)) return present;
  for (const pcpu of pins) {
    const position = topology.positionOf.get(pcpu);
    if (position !== undefined) present.push(position);
  }
  return present;
}

/** The positions in the shared region for each tenant, in the order of its shared vCPUs. */
function shareRegion({ topology, region, tenants, sides, sharers }: ShareOptions): number[][] {
  const binAt = new Map(region.map((position, bin) => [position, bin]));
  const items: SharedVcpu[] = sharers.flatMap((domain) => {
    const { grant } = tenants[domain]!;
    const currents = currentBins({ topology, binAt, sides: sides[domain]! });
    return Array.from({ length: grant.shared }, (_, slot) => ({
      domain,
      load: grant.sharedLoad,
      current: currents[slot] ?? -1,
    }));
  });
  const binOf = packShared(region.length, items);
  const shared: number[][] = tenants.map(() => []);
  items.forEach((item, index) => {
    shared[item.domain]!.push(region[binOf[index]!]!);
  });
  return shared;
}

interface ShareOptions {
  readonly topology: HostTopology;
  readonly region: readonly number[];
  readonly tenants: readonly Tenant[];
  readonly sides: readonly Sides[];
  readonly sharers: readonly number[];
}

function currentBins({ topology, binAt, sides }: CurrentOptions): number[] {
  const bins = sides.shared.map((vcpu) =>
    presentPositions(topology, vcpu).map((position) => binAt.get(position) ?? -1),
  );
  if (!sides.crowded) return bins.map((candidates) => (candidates.length === 1 ? candidates[0]! : -1));
  return [...new Set(bins.flat())].filter((bin) => bin !== -1).sort((a, b) => a - b);
}

interface CurrentOptions {
  readonly topology: HostTopology;
  readonly binAt: ReadonlyMap<number, number>;
  readonly sides: Sides;
}

/** Ordered by id, since tenants are. */
function neighboursOf({ tenants, shared, floaters }: NeighbourOptions): DomainId[][] {
  const at = new Map<number, number[]>();
  shared.forEach((positions, index) => {
    for (const position of positions) {
      const present = at.get(position);
      if (present === undefined) at.set(position, [index]);
      else present.push(index);
    }
  });
  const without = (indices: readonly number[], self: number) => {
    const ids: DomainId[] = [];
    for (const index of indices) if (index !== self) ids.push(tenants[index]!.id);
    return ids;
  };
  const neighbours = shared.map((positions, index) => {
    if (positions.length === 1) return without(at.get(positions[0]!)!, index);
    const present = new Set(positions.flatMap((position) => at.get(position)!));
    return without(
      [...present].sort((a, b) => a - b),
      index,
    );
  });
  for (const index of floaters) neighbours[index] = without(floaters, index);
  return neighbours;
}

interface NeighbourOptions {
  readonly tenants: readonly Tenant[];
  readonly shared: readonly (readonly number[])[];
  readonly floaters: readonly number[];
}

function placeVcpus({
  topology,
  tenant,
  sides,
  own,
  shared,
  everywhere,
}: PlaceOptions): (readonly PcpuId[])[] {
  if (sides.crowded) return tenant.vcpus.map(() => everywhere);
  const single = new Map<ObservedVcpu, number>();
  matchToPositions({ topology, vcpus: sides.own, positions: own, matched: single });
  sides.shared.forEach((vcpu, slot) => {
    single.set(vcpu, shared[slot]!);
  });
  return tenant.vcpus.map((vcpu) => {
    const position = single.get(vcpu);
    return position === undefined ? everywhere : [topology.ids[position]!];
  });
}

interface PlaceOptions {
  readonly topology: HostTopology;
  readonly tenant: Tenant;
  readonly sides: Sides;
  readonly own: readonly number[];
  readonly shared: readonly number[];
  readonly everywhere: readonly PcpuId[];
}

/** Whoever is at a position stays; the others follow the guest's topology along the host's. */
function matchToPositions({ topology, vcpus, positions, matched }: MatchOptions): void {
  const open = new Set(positions);
  const stay = (most: number) => {
    for (const vcpu of vcpus) {
      const present = presentPositions(topology, vcpu);
      if (matched.has(vcpu) || most < present.length) continue;
      const position = present.find((candidate) => open.has(candidate));
      if (position === undefined) continue;
      matched.set(vcpu, position);
      open.delete(position);
    }
  };
  stay(1);
  stay(Number.POSITIVE_INFINITY);
  const alongHost = [...open].sort((a, b) => {
    const [left, right] = [topology.pcpus[a]!, topology.pcpus[b]!];
    return left.node - right.node || left.llc - right.llc || left.core - right.core || a - b;
  });
  vcpus
    .filter((vcpu) => !matched.has(vcpu))
    .sort(alongGuest)
    .forEach((vcpu, order) => {
      matched.set(vcpu, alongHost[order]!);
    });
}

interface MatchOptions {
  readonly topology: HostTopology;
  readonly vcpus: readonly ObservedVcpu[];
  readonly positions: readonly number[];
  readonly matched: Map<ObservedVcpu, number>;
}

function alongGuest({ vcpu: a }: ObservedVcpu, { vcpu: b }: ObservedVcpu): number {
  return (
    a.guestNode - b.guestNode ||
    a.guestSocket - b.guestSocket ||
    a.guestCore - b.guestCore ||
    a.guestThread - b.guestThread ||
    a.index - b.index
  );
}

function toIds(topology: HostTopology, positions: readonly number[]): PcpuId[] {
  return positions.toSorted((a, b) => a - b).map((position) => topology.ids[position]!);
}
