/**
 * Pinning: each vCPU's pCPU set (B-7, B-18 to B-20).
 *
 * A vCPU in use has a pCPU to itself, or shares one where its domain's grant says so; siblings never meet on a pCPU.
 * A domain with more vCPUs in use than pCPUs (a silent guest, or one that cannot let go) is confined to its pCPUs
 * and each of its vCPUs may run on all of them; so are its offline vCPUs, since a guest can bring one online by
 * itself (pitfall 28). Floating domains have a set in common and may run on all of it.
 *
 * Objective, in this order: the regions (regions.ts: node, memory, cores, LLCs), an even load on shared pCPUs (packing.ts),
 * the fewest vCPUs moved, the guest's order of nodes, cores and threads along the host's, lowest ids.
 *
 * Speed. A host with 1,000 domains has 8,500 vCPUs and most domains use one of them, so the usual case (one vCPU, one
 * pCPU) makes no list, map or closure of its own; what such garbage costs is the longest pause, not only the median.
 */
import type { HostTopology } from "./host_topology.ts";
import type { ObservedVcpu } from "./observed_vcpu.ts";
import { packShared, type SharedVcpu } from "./packing.ts";
import { chooseRegions, type Party } from "./regions.ts";
import type { Grant } from "./target.ts";
import type { DomainId, NodeId, PcpuId } from "./units.ts";

/** One placement per tenant, in their order, which breaks ties. The grants fit the pool, which is not empty. */
export function pinVcpus({ topology, tenants, sharedPcpus, floatingPcpus }: PinningOptions): Placement[] {
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
    const { grant, node, homes } = tenants[index]!;
    const { own, crowded } = sides[index]!;
    const party = { size: grant.own, node, held: heldPositions(topology, [own]) };
    return homes === null || crowded ? party : { ...party, homes: homesByNode(homes, own) };
  });
  const sharing = sharers.map((index) => sides[index]!.shared);
  const floating = floaters.map((index) => sides[index]!.own);
  parties.push({ size: sharedPcpus, node: null, held: heldPositions(topology, sharing) });
  parties.push({ size: floatingPcpus, node: null, held: heldPositions(topology, floating) });
  const regions = chooseRegions(topology, parties);
  const floatingRegion = regions.pop()!;
  const sharedRegion = regions.pop()!;

  const own: (readonly number[])[] = tenants.map(() => NONE);
  owners.forEach((index, party) => {
    own[index] = regions[party]!;
  });
  for (const index of floaters) own[index] = floatingRegion;
  const shared = shareRegion({ topology, region: sharedRegion, tenants, sides, sharers });
  const sharersAt = tenantsByPosition(topology, shared);
  return tenants.map((tenant, index): Placement => {
    const mine = { own: own[index]!, shared: shared[index]! };
    const pcpus = toIds(topology, mine.own.length === 0 ? mine.shared : [...mine.own, ...mine.shared]);
    const neighbours = tenant.grant.floats ? floaters : neighboursOf(mine.shared, sharersAt);
    const sharesWith = namesOfOthers(tenants, neighbours, index);
    return {
      pcpus,
      sharedPcpus: sharesWith.length === 0 ? NONE : sharedIds({ topology, tenant, ...mine, sharersAt }),
      vcpus: placeVcpus({ topology, tenant, sides: sides[index]!, ...mine, everywhere: pcpus }),
      sharesWith,
    };
  });
}

export interface PinningOptions {
  readonly topology: HostTopology;
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
  /** For each vCPU the node of its memory (memory_home.ts); `null` where nothing is known of it. */
  readonly homes: readonly (NodeId | null)[] | null;
  /** Every plugged vCPU, ordered by index. */
  readonly vcpus: readonly ObservedVcpu[];
  /** For each of them whether it should be in use. */
  readonly used: readonly boolean[];
  /** How many of them are. */
  readonly usedCount: number;
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

const NONE: readonly never[] = [];

/** The vCPUs that will be on pCPUs of their domain's own and those on shared ones. */
interface Sides {
  /** More vCPUs than pCPUs: each may run on all, and both sides hold every vCPU. */
  readonly crowded: boolean;
  readonly own: readonly ObservedVcpu[];
  readonly shared: readonly ObservedVcpu[];
}

function sidesOf({ grant, vcpus, used, usedCount }: Tenant): Sides {
  const all =
    used.lastIndexOf(true) < usedCount ? vcpus.slice(0, usedCount) : vcpus.filter((_, order) => used[order]);
  if (grant.floats || grant.own + grant.shared < usedCount) return { crowded: true, own: all, shared: all };
  if (grant.own === 0) return { crowded: false, own: NONE, shared: all };
  if (usedCount <= grant.own) return { crowded: false, own: all, shared: NONE };
  return { crowded: false, own: all.slice(0, grant.own), shared: all.slice(grant.own) };
}

/** How many of these vCPUs have their memory on each node. */
function homesByNode(
  homes: readonly (NodeId | null)[],
  vcpus: readonly ObservedVcpu[],
): ReadonlyMap<NodeId, number> {
  const counts = new Map<NodeId, number>();
  for (const { order } of vcpus) {
    const home = homes[order] ?? null;
    if (home !== null) counts.set(home, (counts.get(home) ?? 0) + 1);
  }
  return counts;
}

/** How many vCPUs are at each position of the pool now; a vCPU that may run anywhere is nowhere in particular. */
function heldPositions(
  topology: HostTopology,
  groups: readonly (readonly ObservedVcpu[])[],
): Map<number, number> {
  const held = new Map<number, number>();
  for (const vcpus of groups) {
    for (const vcpu of vcpus) {
      for (const position of presentPositions(topology, vcpu)) {
        held.set(position, (held.get(position) ?? 0) + 1);
      }
    }
  }
  return held;
}

/** Where it is now. Where an offline vCPU is pinned says nothing: moving it costs nothing. */
function presentPositions(
  topology: HostTopology,
  { vcpu: { pins }, inUse }: ObservedVcpu,
): readonly number[] {
  if (!inUse || pins === null || (1 < pins.length && topology.ids.length <= pins.length)) return NONE;
  if (pins.length === 1) {
    const position = topology.positionOf.get(pins[0]!);
    return position === undefined ? NONE : topology.onlyPosition[position]!;
  }
  const present: number[] = [];
  for (const pcpu of pins) {
    const position = topology.positionOf.get(pcpu);
    if (position !== undefined) present.push(position);
  }
  return present;
}

/** The positions in the shared region for each tenant, in the order of its shared vCPUs. */
function shareRegion({ topology, region, tenants, sides, sharers }: ShareOptions): (readonly number[])[] {
  const binAt = new Int32Array(topology.ids.length).fill(NOWHERE);
  region.forEach((position, bin) => {
    binAt[position] = bin;
  });
  const items: SharedVcpu[] = [];
  for (const domain of sharers) {
    const { shared, sharedLoad } = tenants[domain]!.grant;
    const vcpus = sides[domain]!;
    const crowdedBins = vcpus.crowded ? binsOf({ topology, binAt, vcpus: vcpus.shared }) : NONE;
    for (let slot = 0; slot < shared; slot++) {
      const current = vcpus.crowded
        ? (crowdedBins[slot] ?? NOWHERE)
        : binOfOne({ topology, binAt, vcpu: vcpus.shared[slot] });
      items.push({ domain, load: sharedLoad, current });
    }
  }
  const binOf = packShared(region.length, items);
  const shared: (readonly number[])[] = tenants.map(() => NONE);
  let item = 0;
  for (const domain of sharers) {
    const count = tenants[domain]!.grant.shared;
    shared[domain] =
      count === 1
        ? topology.onlyPosition[region[binOf[item]!]!]!
        : binOf.slice(item, item + count).map((bin) => region[bin]!);
    item += count;
  }
  return shared;
}

const NOWHERE = -1;

interface ShareOptions {
  readonly topology: HostTopology;
  readonly region: readonly number[];
  readonly tenants: readonly Tenant[];
  readonly sides: readonly Sides[];
  readonly sharers: readonly number[];
}

/** The bin that holds this vCPU and nothing else does. */
function binOfOne({
  topology,
  binAt,
  vcpu,
}: BinOptions & { readonly vcpu: ObservedVcpu | undefined }): number {
  const present = vcpu === undefined ? NONE : presentPositions(topology, vcpu);
  return present.length === 1 ? binAt[present[0]!]! : NOWHERE;
}

/** The bins that hold any of these vCPUs, ascending. */
function binsOf({
  topology,
  binAt,
  vcpus,
}: BinOptions & { readonly vcpus: readonly ObservedVcpu[] }): number[] {
  const bins = new Set<number>();
  for (const vcpu of vcpus)
    for (const position of presentPositions(topology, vcpu)) bins.add(binAt[position]!);
  bins.delete(NOWHERE);
  return [...bins].sort((a, b) => a - b);
}

interface BinOptions {
  readonly topology: HostTopology;
  /** For each position its bin, or `NOWHERE`. */
  readonly binAt: Int32Array;
}

/** For each position the tenants whose shared vCPUs are there, ascending. */
function tenantsByPosition(
  topology: HostTopology,
  shared: readonly (readonly number[])[],
): readonly number[][] {
  const at: number[][] = topology.ids.map(() => []);
  shared.forEach((positions, index) => {
    for (const position of positions) at[position]!.push(index);
  });
  return at;
}

/** Who shares one of these positions, ascending. */
function neighboursOf(
  positions: readonly number[],
  sharersAt: readonly (readonly number[])[],
): readonly number[] {
  if (positions.length === 0) return NONE;
  if (positions.length === 1) return sharersAt[positions[0]!]!;
  return [...new Set(positions.flatMap((position) => sharersAt[position]!))].sort((a, b) => a - b);
}

function namesOfOthers(
  tenants: readonly Tenant[],
  indices: readonly number[],
  self: number,
): readonly DomainId[] {
  if (indices.length < 2) return NONE;
  const ids: DomainId[] = Array(indices.length - 1);
  let count = 0;
  for (const index of indices) if (index !== self) ids[count++] = tenants[index]!.id;
  return ids;
}

/** Those of a tenant's pCPUs that others use too. */
function sharedIds({ topology, tenant, own, shared, sharersAt }: SharedOptions): readonly PcpuId[] {
  if (tenant.grant.floats) return toIds(topology, own);
  if (shared.length === 1) return topology.onlyId[shared[0]!]!;
  return toIds(
    topology,
    shared.filter((position) => 1 < sharersAt[position]!.length),
  );
}

interface SharedOptions {
  readonly topology: HostTopology;
  readonly tenant: Tenant;
  readonly own: readonly number[];
  readonly shared: readonly number[];
  readonly sharersAt: readonly (readonly number[])[];
}

function placeVcpus({
  topology,
  tenant,
  sides,
  own,
  shared,
  everywhere,
}: PlaceOptions): (readonly PcpuId[])[] {
  const placed = tenant.vcpus.map(() => everywhere);
  if (sides.crowded) return placed;
  matchToPositions({ topology, vcpus: sides.own, positions: own, homes: tenant.homes, placed });
  sides.shared.forEach(({ order }, slot) => {
    placed[order] = topology.onlyId[shared[slot]!]!;
  });
  return placed;
}

interface PlaceOptions {
  readonly topology: HostTopology;
  readonly tenant: Tenant;
  readonly sides: Sides;
  readonly own: readonly number[];
  readonly shared: readonly number[];
  readonly everywhere: readonly PcpuId[];
}

/**
 * Whoever is at a position stays; the others follow the guest's topology along the host's. Who has its memory on some
 * node stays or goes there first, and elsewhere only where that is full.
 */
function matchToPositions({ topology, vcpus, positions, homes, placed }: MatchOptions): void {
  if (vcpus.length === 0) return;
  if (positions.length === 1) {
    placed[vcpus[0]!.order] = topology.onlyId[positions[0]!]!;
    return;
  }
  const open = new Set(positions);
  const homeOf = ({ order }: ObservedVcpu) => homes?.[order] ?? null;
  const isHome = (vcpu: ObservedVcpu, position: number) => {
    const home = homeOf(vcpu);
    return home === null || topology.pcpus[position]!.node === home;
  };
  const settle = (vcpu: ObservedVcpu, position: number) => {
    open.delete(position);
    placed[vcpu.order] = topology.onlyId[position]!;
  };
  const stay = (waiting: readonly ObservedVcpu[], most: number, onlyHome: boolean) =>
    waiting.filter((vcpu) => {
      const present = presentPositions(topology, vcpu);
      if (most < present.length) return true;
      const position = present.find(
        (candidate) => open.has(candidate) && (!onlyHome || isHome(vcpu, candidate)),
      );
      if (position === undefined) return true;
      settle(vcpu, position);
      return false;
    });
  const goHome = (waiting: readonly ObservedVcpu[]) =>
    alongHost(topology, open, waiting, (vcpu, position) => {
      if (homeOf(vcpu) === null || !isHome(vcpu, position)) return false;
      settle(vcpu, position);
      return true;
    });
  const away = stay(stay(vcpus, 1, true), Number.POSITIVE_INFINITY, true);
  const far = homes === null ? away : stay(goHome(away), Number.POSITIVE_INFINITY, false);
  alongHost(topology, open, far, (vcpu, position) => {
    settle(vcpu, position);
    return true;
  });
}

/** Offers the open positions, in the host's order, to each vCPU in the guest's; returns who took none. */
function alongHost(
  topology: HostTopology,
  open: ReadonlySet<number>,
  vcpus: readonly ObservedVcpu[],
  takes: (vcpu: ObservedVcpu, position: number) => boolean,
): readonly ObservedVcpu[] {
  if (vcpus.length === 0) return vcpus;
  const positions = [...open].sort((a, b) => {
    const [left, right] = [topology.pcpus[a]!, topology.pcpus[b]!];
    return left.node - right.node || left.llc - right.llc || left.core - right.core || a - b;
  });
  return vcpus
    .toSorted(alongGuest)
    .filter((vcpu) => !positions.some((position) => open.has(position) && takes(vcpu, position)));
}

interface MatchOptions {
  readonly topology: HostTopology;
  readonly vcpus: readonly ObservedVcpu[];
  readonly positions: readonly number[];
  readonly homes: Tenant["homes"];
  /** For each vCPU of the domain its pCPUs. */
  readonly placed: (readonly PcpuId[])[];
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

function toIds(topology: HostTopology, positions: readonly number[]): readonly PcpuId[] {
  if (positions.length === 1) return topology.onlyId[positions[0]!]!;
  return positions.toSorted((a, b) => a - b).map((position) => topology.ids[position]!);
}
