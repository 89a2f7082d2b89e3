/** The pCPUs of the pool in arrays by position, with the tree host - node - LLC - core - pCPU above them. */
import type { Pcpu } from "./model.ts";
import type { PcpuId } from "./units.ts";

export function hostTopology(pool: readonly Pcpu[]): HostTopology {
  const pcpus = [...pool].sort((a, b) => a.id - b.id);
  const places: GrowingPlace[] = [];
  const known = new Map<number, GrowingPlace>();
  const add = (
    parent: GrowingPlace | null,
    level: Level,
    id: number,
    positions: number[] = [],
  ): GrowingPlace => {
    const place: GrowingPlace = { index: places.length, level, id, positions, children: [] };
    places.push(place);
    parent?.children.push(place);
    return place;
  };
  const placeIn = (parent: GrowingPlace, level: Level, id: number): GrowingPlace => {
    const key = parent.index * ID_RANGE + id;
    const present = known.get(key);
    if (present !== undefined) return present;
    const place = add(parent, level, id);
    known.set(key, place);
    return place;
  };
  const root = add(null, "host", ROOT_ID);
  const positionOf = new Map<PcpuId, number>();
  const pathOf = pcpus.map(({ id, node, llc, core }, position) => {
    const inNode = placeIn(root, "node", node);
    const inLlc = placeIn(inNode, "llc", llc);
    const inCore = placeIn(inLlc, "core", core);
    const self = add(inCore, "pcpu", id, [position]);
    for (const place of [root, inNode, inLlc, inCore]) place.positions.push(position);
    positionOf.set(id, position);
    return [root.index, inNode.index, inLlc.index, inCore.index, self.index];
  });
  return {
    ids: pcpus.map((pcpu) => pcpu.id),
    onlyId: pcpus.map((pcpu) => [pcpu.id]),
    onlyPosition: pcpus.map((_, position) => [position]),
    pcpus,
    positionOf,
    root,
    places,
    pathOf,
  };
}

export interface HostTopology {
  /** By position, ascending. */
  readonly ids: readonly PcpuId[];
  /** Lists of one, by position: most vCPUs have one pCPU, and so they need no list each. */
  readonly onlyId: readonly (readonly PcpuId[])[];
  readonly onlyPosition: readonly (readonly number[])[];
  readonly pcpus: readonly Pcpu[];
  readonly positionOf: ReadonlyMap<PcpuId, number>;
  readonly root: Place;
  /** By index. */
  readonly places: readonly Place[];
  /** For each position the indices of its host, node, LLC, core and pCPU, in this order. */
  readonly pathOf: readonly (readonly number[])[];
}

export type Level = "host" | "node" | "llc" | "core" | "pcpu";

/** A set of pCPUs that are close to one another: the host, a node, an LLC, a core or a single pCPU. */
export interface Place {
  readonly index: number;
  readonly level: Level;
  /** The hypervisor's id of it. */
  readonly id: number;
  /** Ascending. */
  readonly positions: readonly number[];
  /** In the order of their lowest position. */
  readonly children: readonly Place[];
}

/** Where each level stands in `pathOf`. */
export const DEPTH: Readonly<Record<Level, number>> = { host: 0, node: 1, llc: 2, core: 3, pcpu: 4 };

interface GrowingPlace extends Place {
  readonly positions: number[];
  readonly children: GrowingPlace[];
}

const ROOT_ID = 0;

/** More than any id of a node, LLC or core, so that an id and its parent's index fit one exact number. */
const ID_RANGE = 2 ** 32;
