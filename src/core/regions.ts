/**
 * Regions: which pCPUs each party gets. A party is a domain with pCPUs of its own, or one of the two sets that
 * several domains have in common.
 *
 * Objective, compared in this order, less is better:
 * 1. pCPUs off the node that the administrator named;
 * 2. vCPUs off the node that their guest node's memory is on (a vCPU reaches memory of another node some 1.5 to 2
 *    times slower); a party that brings no memory has none;
 * 3. nodes touched, summed over parties;
 * 4. cores split between parties (an SMT sibling is a neighbour that slows and overhears; pitfall 24);
 * 5. LLCs touched, 6. cores touched, each summed over parties;
 * 7. vCPUs that leave the pCPU they are on;
 * 8. the ids: lowest first, in the order of the parties.
 * On a host without structure 1 to 6 are the same for every choice, so the fewest vCPUs move.
 *
 * Method. Packing parties into nodes is bin packing, hence NP-hard; an optimum is not promised. Three candidates are
 * built and the best is taken: one that keeps whatever each party holds and fills up from there, and two that pack
 * afresh by best fit (the fullest place that is large enough; else the emptiest), one in the order of the parties and
 * one with the largest first. Best-fit decreasing uses at most 11/9 of the bins of the optimum plus one (Johnson et
 * al., SIAM J. Computing 3, 1974). bench/core compares the choice with an exhaustive oracle.
 *
 * Cost: O(pCPUs * places + parties * log parties) per candidate.
 */
import { DEPTH, type HostTopology, type Place } from "./host_topology.ts";
import type { NodeId } from "./units.ts";

/** Positions in `topology` for each party, ascending, disjoint. The sizes together fit the host. */
export function chooseRegions(topology: HostTopology, parties: readonly Party[]): number[][] {
  const inOrder = [...parties.keys()];
  const hintedFirst = inOrder.sort((a, b) => bondOf(parties[b]!) - bondOf(parties[a]!) || a - b);
  let best = fill(topology, parties, hintedFirst, keepHeld(topology, parties));
  // Only structure can make a fresh packing better than one that keeps what it can.
  if (topology.root.children.length === 1 && isFlat(topology.root.children[0]!)) return best.regions;
  const largestFirst = [...hintedFirst].sort(
    (a, b) => bondOf(parties[b]!) - bondOf(parties[a]!) || parties[b]!.size - parties[a]!.size || a - b,
  );
  for (const order of [hintedFirst, largestFirst]) {
    const candidate = fill(
      topology,
      parties,
      order,
      parties.map(() => []),
    );
    if (isLess(candidate.cost, best.cost)) best = candidate;
  }
  return best.regions;
}

export interface Party {
  readonly size: number;
  readonly node: NodeId | null;
  /** How many of its vCPUs are at each position now. */
  readonly held: ReadonlyMap<number, number>;
  /** How many of its vCPUs have their memory on each node; absent for none. */
  readonly homes?: ReadonlyMap<NodeId, number>;
}

/** Who has something to lose by the place chooses first. */
function bondOf({ node, homes }: Party): number {
  return node !== null ? 2 : homes !== undefined ? 1 : 0;
}

interface Candidate {
  readonly regions: number[][];
  readonly cost: readonly number[];
}

function isFlat(node: Place): boolean {
  return (
    node.children.length === 1 && node.children[0]!.children.every((core) => core.positions.length === 1)
  );
}

/** What each party keeps of what it holds; a position that several hold goes to the one with least to choose from. */
function keepHeld(topology: HostTopology, parties: readonly Party[]): number[][] {
  const holderCounts = new Int32Array(topology.ids.length);
  for (const { held } of parties) for (const position of held.keys()) holderCounts[position]! += 1;
  const contenders = new Map<number, number[]>();
  const kept = parties.map((party, index) => {
    const alone: number[] = [];
    for (const position of party.held.keys()) {
      if (holderCounts[position] === 1) alone.push(position);
      else contenders.set(position, [...(contenders.get(position) ?? []), index]);
    }
    if (alone.length <= party.size) return alone;
    return dearestFirst(topology, party, alone).slice(0, party.size);
  });
  for (const position of [...contenders.keys()].sort((a, b) => a - b)) {
    let heir = -1;
    for (const index of contenders.get(position)!) {
      const room = parties[index]!.size - kept[index]!.length;
      if (room <= 0) continue;
      if (heir === -1 || heldMore(parties[index]!, parties[heir]!, position)) heir = index;
    }
    if (heir !== -1) kept[heir]!.push(position);
  }
  return kept;
}

function heldMore(party: Party, other: Party, position: number): boolean {
  return other.held.get(position)! < party.held.get(position)!;
}

/** The positions that a shrinking party should rather keep: on its node, with more vCPUs, where most of it is. */
function dearestFirst(topology: HostTopology, party: Party, positions: number[]): number[] {
  const company = new Map<number, number>();
  for (const position of positions) {
    for (const place of topology.pathOf[position]!) company.set(place, (company.get(place) ?? 0) + 1);
  }
  const at = (position: number, depth: number) => company.get(topology.pathOf[position]![depth]!)!;
  const onNode = (position: number) => Number(topology.pcpus[position]!.node === party.node);
  return [...positions].sort(
    (a, b) =>
      onNode(b) - onNode(a) ||
      at(b, DEPTH.node) - at(a, DEPTH.node) ||
      party.held.get(b)! - party.held.get(a)! ||
      at(b, DEPTH.llc) - at(a, DEPTH.llc) ||
      at(b, DEPTH.core) - at(a, DEPTH.core) ||
      a - b,
  );
}

/** Gives every party, in `order`, what it lacks beyond `kept`. */
function fill(
  topology: HostTopology,
  parties: readonly Party[],
  order: readonly number[],
  kept: readonly (readonly number[])[],
): Candidate {
  const free = new Int32Array(topology.places.length);
  for (const { index, positions } of topology.places) free[index] = positions.length;
  const taken = new Uint8Array(topology.ids.length);
  const mine = new Int32Array(topology.places.length);
  const regions: number[][] = kept.map((positions) => [...positions]);
  let slack = topology.ids.length;
  for (const party of parties) slack -= party.size;

  const occupy = (position: number) => {
    taken[position] = 1;
    for (const place of topology.pathOf[position]!) free[place]! -= 1;
  };
  const join = (position: number) => {
    for (const place of topology.pathOf[position]!) mine[place]! += 1;
  };

  /** Gives the party `need` positions of this place. */
  const take = (party: Party, region: number[], place: Place, need: number): void => {
    if (need === free[place.index]) {
      for (const position of place.positions) {
        if (taken[position] === 1) continue;
        occupy(position);
        join(position);
        region.push(position);
      }
      return;
    }
    let left = need;
    while (0 < left) {
      const child = bestChild(party, place, left);
      const part = Math.min(left, free[child.index]!, homesLeft(party, child) || left);
      const orphans =
        child.level === "core" && free[child.index] === child.positions.length
          ? child.positions.length - part
          : 0;
      if (orphans <= slack) slack -= orphans;
      take(party, region, child, part);
      left -= part;
    }
  };

  const bestChild = (party: Party, place: Place, left: number): Place => {
    let best: Place | null = null;
    let bestWorth = Number.NEGATIVE_INFINITY;
    for (const child of place.children) {
      const room = free[child.index]!;
      if (room === 0) continue;
      const worth = worthOf(party, child, room, left);
      if (bestWorth < worth) {
        best = child;
        bestWorth = worth;
      }
    }
    return best!;
  };

  /** How many more of its vCPUs belong on this node; 0 where the administrator named one. */
  const homesLeft = ({ node, homes }: Party, child: Place): number =>
    homes === undefined || node !== null || child.level !== "node"
      ? 0
      : Math.max(0, (homes.get(child.id) ?? 0) - mine[child.index]!);

  /** One number per place, read digit by digit: hint or memory, company, an intact core, fit, tightness, held. */
  const worthOf = (party: Party, child: Place, room: number, left: number): number => {
    const size = child.positions.length;
    const isNamed = child.level === "node" && child.id === party.node;
    const hinted = isNamed || 0 < homesLeft(party, child) ? 1 : 0;
    const company = mine[child.index] === 0 ? 0 : 1;
    const affordable =
      child.level === "core" && room === size && size - Math.min(left, size) <= slack ? 1 : 0;
    const fits = left <= room ? 1 : 0;
    const tightness = fits === 1 ? COUNT_MAX - room : room;
    const held = child.level === "pcpu" && party.held.has(child.positions[0]!) ? 1 : 0;
    return ((((hinted * 2 + company) * 2 + affordable) * 2 + fits) * (COUNT_MAX + 1) + tightness) * 2 + held;
  };

  for (const positions of kept) positions.forEach(occupy);
  for (const index of order) {
    const party = parties[index]!;
    const region = regions[index]!;
    if (region.length === party.size) continue;
    region.forEach(join);
    take(party, region, topology.root, party.size - region.length);
    for (const position of region) for (const place of topology.pathOf[position]!) mine[place] = 0;
  }
  for (const region of regions) if (1 < region.length) region.sort((a, b) => a - b);
  return { regions, cost: costOf(topology, parties, regions) };
}

/** More pCPUs than any host has; keeps the digits of `worthOf` apart. */
const COUNT_MAX = 2 ** 20;

/** The objective at the top of this file, without the ids. */
export function costOf(
  topology: HostTopology,
  parties: readonly Party[],
  regions: readonly (readonly number[])[],
): readonly number[] {
  const lastSeen = new Int32Array(topology.places.length).fill(-1);
  let [misses, far, nodes, splits, llcs, cores, moves] = [0, 0, 0, 0, 0, 0, 0];
  const touch = (place: number, index: number): boolean => {
    const first = lastSeen[place] !== index;
    lastSeen[place] = index;
    return first;
  };
  regions.forEach((region, index) => {
    const { node, held, homes } = parties[index]!;
    if (homes !== undefined) far += farFrom(topology, homes, region);
    for (const vcpus of held.values()) moves += vcpus;
    for (const position of region) {
      const path = topology.pathOf[position]!;
      const core = path[DEPTH.core]!;
      if (node !== null && topology.pcpus[position]!.node !== node) misses += 1;
      if (touch(path[DEPTH.node]!, index)) nodes += 1;
      if (touch(path[DEPTH.llc]!, index)) llcs += 1;
      if (lastSeen[core] !== -1 && lastSeen[core] !== index) splits += 1;
      if (touch(core, index)) cores += 1;
      moves -= held.get(position) ?? 0;
    }
  });
  return [misses, far, nodes, splits, llcs, cores, moves];
}

/** How many of these vCPUs find no place on the node of their memory. */
function farFrom(
  topology: HostTopology,
  homes: ReadonlyMap<NodeId, number>,
  region: readonly number[],
): number {
  let far = 0;
  for (const [node, vcpus] of homes) {
    const places = region.filter((position) => topology.pcpus[position]!.node === node).length;
    far += Math.max(0, vcpus - places);
  }
  return far;
}

function isLess(a: readonly number[], b: readonly number[]): boolean {
  for (const [index, value] of a.entries()) {
    if (value !== b[index]) return value < b[index]!;
  }
  return false;
}
