/** The pCPUs of the pool in arrays by position, with the tree host - node - LLC - core - pCPU above them. */
import type { Pcpu } from "./model.ts";
import type { PcpuId } from "./units.ts";

export function hostTopology(pool: readonly Pcpu[]): HostTopology {
  const pcpus = [...pool].sort((a, b) => a.id - b.id);
  const places: Place[] = [];
  const pathOf: number[][] = pcpus.map(() => []);

  const build = (level: Level, id: number, positions: readonly number[]): Place => {
    const children: Place[] = [];
    const place: Place = { index: places.length, level, id, positions, children };
    places.push(place);
    for (const position of positions) pathOf[position]!.push(place.index);
    const below = BELOW[level];
    if (below === null) return place;
    const groups = new Map<number, number[]>();
    for (const position of positions) {
      const key = below.keyOf(pcpus[position]!);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [position]);
      else group.push(position);
    }
    for (const [key, group] of groups) children.push(build(below.level, key, group));
    return place;
  };

  const root = build("host", 0, [...pcpus.keys()]);
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

interface Below {
  readonly level: Level;
  readonly keyOf: (pcpu: Pcpu) => number;
}

const BELOW: Record<Level, Below | null> = {
  host: { level: "node", keyOf: (pcpu) => pcpu.node },
  node: { level: "llc", keyOf: (pcpu) => pcpu.llc },
  llc: { level: "core", keyOf: (pcpu) => pcpu.core },
  core: { level: "pcpu", keyOf: (pcpu) => pcpu.id },
  pcpu: null,
};
