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
import type { Pcpu, Vcpu } from "./model.ts";
import { packShared, type SharedVcpu } from "./packing.ts";
import { chooseRegions, type Party } from "./regions.ts";
import type { Grant } from "./target.ts";
import type { DomainId, NodeId, PcpuId, VcpuIndex } from "./units.ts";

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
  return tenants.map((tenant, index) => ({
    pcpus: toIds(topology, [...own[index]!, ...shared[index]!]),
    vcpus: placeVcpus({ topology, tenant, sides: sides[index]!, own: own[index]!, shared: shared[index]! }),
    sharesWith: neighbours[index]!,
  }));
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
  readonly vcpus: readonly Vcpu[];
  /** Those that should be in use, ordered by index. */
  readonly used: readonly Vcpu[];
  /** Those that are in use now; where the others are pinned says nothing about where the domain is. */
  readonly usedNow: ReadonlySet<VcpuIndex>;
}

export interface Placement {
  /** All of the domain's pCPUs, ascending. */
  readonly pcpus: readonly PcpuId[];
  /** For each plugged vCPU where it may run, ascending. */
  readonly vcpus: readonly (readonly PcpuId[])[];
  readonly sharesWith: readonly DomainId[];
}

/** The vCPUs that will be on pCPUs of their domain's own and those on shared ones. */
interface Sides {
  /** More vCPUs than pCPUs: each may run on all, and both sides hold every vCPU. */
  readonly crowded: boolean;
  readonly own: readonly SettledVcpu[];
  readonly shared: readonly SettledVcpu[];
}

interface SettledVcpu {
  readonly vcpu: Vcpu;
  /** It is in use now, so moving it costs something. */
  readonly settled: boolean;
}

function sidesOf({ grant, used, usedNow }: Tenant): Sides {
  const all = used.map((vcpu) => ({ vcpu, settled: usedNow.has(vcpu.index) }));
  if (grant.floats || grant.own + grant.shared < used.length) return { crowded: true, own: all, shared: all };
  return { crowded: false, own: all.slice(0, grant.own), shared: all.slice(grant.own) };
}

/** How many vCPUs are at each position of the pool now; a vCPU that may run anywhere is nowhere in particular. */
function heldPositions(topology: HostTopology, vcpus: readonly SettledVcpu[]): Map<number, number> {
  const held = new Map<number, number>();
  for (const { vcpu, settled } of vcpus) {
    if (!settled) continue;
    for (const position of narrowPositions(topology, vcpu)) held.set(position, (held.get(position) ?? 0) + 1);
  }
  return held;
}

function narrowPositions(topology: HostTopology, { pins }: Vcpu): number[] {
  if (pins === null || (topology.ids.length <= pins.length && 1 < pins.length)) return [];
  return pins.flatMap((pcpu) => topology.positionOf.get(pcpu) ?? []);
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
  const bins = sides.shared.map(({ vcpu, settled }) => {
    const positions = settled ? narrowPositions(topology, vcpu) : [];
    return positions.map((position) => binAt.get(position) ?? -1);
  });
  if (!sides.crowded) return bins.map((candidates) => (candidates.length === 1 ? candidates[0]! : -1));
  return [...new Set(bins.flat())].filter((bin) => bin !== -1).sort((a, b) => a - b);
}

interface CurrentOptions {
  readonly topology: HostTopology;
  readonly binAt: ReadonlyMap<number, number>;
  readonly sides: Sides;
}

function neighboursOf({ tenants, shared, floaters }: NeighbourOptions): (readonly DomainId[])[] {
  const at = new Map<number, number[]>();
  shared.forEach((positions, index) => {
    for (const position of positions) {
      const present = at.get(position);
      if (present === undefined) at.set(position, [index]);
      else present.push(index);
    }
  });
  const neighbours: (readonly DomainId[])[] = shared.map((positions, index) => {
    const others = new Set(positions.flatMap((position) => at.get(position)!));
    others.delete(index);
    return [...others].sort((a, b) => a - b).map((other) => tenants[other]!.id);
  });
  for (const index of floaters) {
    neighbours[index] = floaters.filter((other) => other !== index).map((other) => tenants[other]!.id);
  }
  return neighbours;
}

interface NeighbourOptions {
  readonly tenants: readonly Tenant[];
  readonly shared: readonly (readonly number[])[];
  readonly floaters: readonly number[];
}

function placeVcpus({ topology, tenant, sides, own, shared }: PlaceOptions): (readonly PcpuId[])[] {
  const everywhere = toIds(topology, [...own, ...shared]);
  const single = new Map<VcpuIndex, readonly PcpuId[]>();
  if (!sides.crowded) {
    matchToPositions({ topology, vcpus: sides.own, positions: own }).forEach((position, index) => {
      single.set(index, [topology.ids[position]!]);
    });
    sides.shared.forEach(({ vcpu }, slot) => {
      single.set(vcpu.index, [topology.ids[shared[slot]!]!]);
    });
  }
  return tenant.vcpus.map((vcpu) => single.get(vcpu.index) ?? everywhere);
}

interface PlaceOptions {
  readonly topology: HostTopology;
  readonly tenant: Tenant;
  readonly sides: Sides;
  readonly own: readonly number[];
  readonly shared: readonly number[];
}

/** Whoever is at a position stays; the others follow the guest's topology along the host's. */
function matchToPositions({ topology, vcpus, positions }: MatchOptions): Map<VcpuIndex, number> {
  const matched = new Map<VcpuIndex, number>();
  const open = new Set(positions);
  const narrow = new Map(
    vcpus.map(({ vcpu, settled }) => [vcpu.index, settled ? narrowPositions(topology, vcpu) : []]),
  );
  for (const widest of [1, Number.POSITIVE_INFINITY]) {
    for (const { vcpu } of vcpus) {
      const present = narrow.get(vcpu.index)!;
      if (matched.has(vcpu.index) || widest < present.length) continue;
      const position = present.find((candidate) => open.has(candidate));
      if (position === undefined) continue;
      matched.set(vcpu.index, position);
      open.delete(position);
    }
  }
  const alongHost = [...open].sort((a, b) => {
    const [left, right] = [topology.pcpus[a]!, topology.pcpus[b]!];
    return left.node - right.node || left.llc - right.llc || left.core - right.core || a - b;
  });
  const alongGuest = vcpus
    .map(({ vcpu }) => vcpu)
    .filter((vcpu) => !matched.has(vcpu.index))
    .sort(
      (a, b) =>
        a.guestNode - b.guestNode ||
        a.guestSocket - b.guestSocket ||
        a.guestCore - b.guestCore ||
        a.guestThread - b.guestThread ||
        a.index - b.index,
    );
  alongGuest.forEach((vcpu, order) => {
    matched.set(vcpu.index, alongHost[order]!);
  });
  return matched;
}

interface MatchOptions {
  readonly topology: HostTopology;
  readonly vcpus: readonly SettledVcpu[];
  readonly positions: readonly number[];
}

function toIds(topology: HostTopology, positions: readonly number[]): PcpuId[] {
  return [...positions].sort((a, b) => a - b).map((position) => topology.ids[position]!);
}
