/** The pCPUs of the pool in arrays by position, with the tree host - node - LLC - core - pCPU above them. */
import type { Pcpu } from "./model.ts";
import type { PcpuId } from "./units.ts";

export function hostTopology(pool: readonly Pcpu[]): HostTopology {
  const pcpus = [...pool].sort((a, b) => a.id - b.id);
  const places: GrowingPlace[] = [];
  const known = new Map<number, GrowingPlace>();
  const placeIn = (parent: GrowingPlace | null, level: Level, id: number): GrowingPlace => {
    const key = ((parent?.index ?? ABOVE_ROOT) + 1) * ID_RANGE + id;
    const present = level === "pcpu" ? undefined : known.get(key);
    if (present !== undefined) return present;
    const place: GrowingPlace = { index: places.length, level, id, positions: [], children: [] };
    if (level !== "pcpu") known.set(key, place);
    places.push(place);
    parent?.children.push(place);
    return place;
  };
  const root = placeIn(null, "host", ROOT_ID);
  const pathOf = pcpus.map(({ id, node, llc, core }, position) => {
    const inNode = placeIn(root, "node", node);
    const inLlc = placeIn(inNode, "llc", llc);
    const inCore = placeIn(inLlc, "core", core);
    const self = placeIn(inCore, "pcpu", id);
    for (const place of [root, inNode, inLlc, inCore, self]) place.positions.push(position);
    return [root.index, inNode.index, inLlc.index, inCore.index, self.index];
  });
  return {
    ids: pcpus.map((pcpu) => pcpu.id),
    pcpus,
    positionOf: new Map(pcpus.map((pcpu, position) => [pcpu.id, position])),
    root,
    places,
    pathOf,
  };
}

export interface HostTopology {
  /** By position, ascending. */
  readonly ids: readonly PcpuId[];
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
const ABOVE_ROOT = -1;

/** More than any id of a node, LLC or core, so that an id and its parent's index fit one exact number. */
const ID_RANGE = 2 ** 32;
