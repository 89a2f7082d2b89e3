/**
 * Packing: vCPUs that must share pCPUs, so that the load per pCPU is even and siblings never meet.
 *
 * Theory. Scheduling on identical machines: the largest load should be as small as possible. LPT (longest processing
 * time first) puts the heaviest item on the least loaded machine, and so on; its largest load is at most
 * 4/3 - 1/(3m) times the optimum (Graham, SIAM J. Applied Mathematics 17, 1969).
 *
 * Stability. Every vCPU stays where it is and only newcomers are placed by LPT, as long as the largest load is within
 * `LOAD_MARGIN` of what a fresh packing has. Beyond it, vCPUs leave the fullest bins one by one until it is; a fresh
 * packing is used only where that does not get there.
 *
 * Example. Loads 600, 600, 400, 400 on two pCPUs: 600 + 400 on each.
 */
import type { MilliPcpu } from "./units.ts";

/** For each item the bin, from 0. A domain has at most `bins` items. */
export function packShared(bins: number, items: readonly SharedVcpu[]): number[] {
  const heaviestFirst = [...items.keys()].sort((a, b) => items[b]!.load - items[a]!.load || a - b);
  const siblings = siblingsOf(items);
  const fresh = pack({ bins, items, siblings, heaviestFirst, keep: false });
  const goal = fresh.largest + LOAD_MARGIN;
  const kept = pack({ bins, items, siblings, heaviestFirst, keep: true });
  return relieved(bins, items, kept, goal) ?? fresh.binOf;
}

/** A load less even by this much is not worth moving a vCPU for: a twentieth of a pCPU. */
const LOAD_MARGIN: MilliPcpu = 50;

export interface SharedVcpu {
  /** Siblings have the same number. */
  readonly domain: number;
  readonly load: MilliPcpu;
  /** The bin it is in now, or -1. */
  readonly current: number;
}

interface Packed {
  readonly binOf: number[];
  readonly largest: MilliPcpu;
}

/** How many items each domain has: most have one, which no sibling can meet. */
function siblingsOf(items: readonly SharedVcpu[]): Int32Array {
  const last = items.reduce((most, { domain }) => Math.max(most, domain), 0);
  const siblings = new Int32Array(last + 1);
  for (const { domain } of items) siblings[domain]! += 1;
  return siblings;
}

interface PackOptions {
  readonly bins: number;
  readonly items: readonly SharedVcpu[];
  readonly siblings: Int32Array;
  readonly heaviestFirst: readonly number[];
  readonly keep: boolean;
}

function pack({ bins, items, siblings, heaviestFirst, keep }: PackOptions): Packed {
  const loads = new Float64Array(bins);
  const counts = new Int32Array(bins);
  const binOf = items.map(() => -1);
  const taken = new Set<number>();
  const put = (item: number, bin: number) => {
    const { domain, load } = items[item]!;
    binOf[item] = bin;
    loads[bin]! += load;
    counts[bin]! += 1;
    if (1 < siblings[domain]!) taken.add(domain * bins + bin);
  };
  if (keep) {
    for (const item of heaviestFirst) {
      const { domain, current } = items[item]!;
      if (current !== -1 && !taken.has(domain * bins + current)) put(item, current);
    }
  }
  // Of equally loaded bins an empty one comes first, then the lowest.
  const isBefore = (a: number, b: number) =>
    loads[a] !== loads[b] ? loads[a]! < loads[b]! : counts[a] !== counts[b] ? counts[a]! < counts[b]! : a < b;
  const queue = new Int32Array(bins).map((_, bin) => bin);
  if (keep) queue.sort((a, b) => (isBefore(a, b) ? -1 : 1));
  for (const item of heaviestFirst) {
    if (binOf[item] !== -1) continue;
    // A bin that holds a sibling is passed over; there are fewer siblings than bins.
    let first = 0;
    while (taken.has(items[item]!.domain * bins + queue[first]!)) first += 1;
    const bin = queue[first]!;
    put(item, bin);
    reinsert(queue, first, isBefore);
  }
  return { binOf, largest: loads.reduce((most, load) => Math.max(most, load), 0) };
}

/** Puts the bin at `index`, which has become heavier, back in its place in the sorted queue. */
function reinsert(queue: Int32Array, index: number, isBefore: (a: number, b: number) => boolean): void {
  const bin = queue[index]!;
  let low = index + 1;
  let high = queue.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(queue[middle]!, bin)) low = middle + 1;
    else high = middle;
  }
  queue.copyWithin(index, index + 1, low);
  queue[low - 1] = bin;
}

/** The same packing with as few vCPUs moved as it takes to get every bin to `goal`; `null` if that fails. */
function relieved(
  bins: number,
  items: readonly SharedVcpu[],
  packed: Packed,
  goal: MilliPcpu,
): number[] | null {
  if (packed.largest <= goal) return packed.binOf;
  const binOf = [...packed.binOf];
  const loads = new Float64Array(bins);
  const members: number[][] = Array.from({ length: bins }, () => []);
  binOf.forEach((bin, item) => {
    loads[bin]! += items[item]!.load;
    members[bin]!.push(item);
  });
  // Each vCPU is moved once at most on average; beyond that a fresh packing is the better start.
  for (let moved = 0; moved <= items.length; moved++) {
    const fullest = loads.reduce((most, load, bin) => (loads[most]! < load ? bin : most), 0);
    const excess = loads[fullest]! - goal;
    if (excess <= 0) return binOf;
    const move = bestRelief({ items, loads, members, from: fullest, excess, goal });
    if (move === null) return null;
    binOf[move.item] = move.to;
    loads[fullest]! -= items[move.item]!.load;
    loads[move.to]! += items[move.item]!.load;
    members[fullest] = members[fullest]!.filter((item) => item !== move.item);
    members[move.to]!.push(move.item);
  }
  return null;
}

/** The lightest vCPU that takes all of the excess away, else the heaviest that fits anywhere. */
function bestRelief({ items, loads, members, from, excess, goal }: ReliefOptions) {
  const loadOf = (item: number) => items[item]!.load;
  const enough = members[from]!.filter((item) => excess <= loadOf(item)).sort(
    (a, b) => loadOf(a) - loadOf(b) || a - b,
  );
  const tooLittle = members[from]!.filter((item) => loadOf(item) < excess).sort(
    (a, b) => loadOf(b) - loadOf(a) || a - b,
  );
  for (const item of [...enough, ...tooLittle]) {
    const { domain, load } = items[item]!;
    let to = -1;
    loads.forEach((present, bin) => {
      const fits =
        bin !== from &&
        present + load <= goal &&
        !members[bin]!.some((other) => items[other]!.domain === domain);
      if (fits && (to === -1 || present < loads[to]!)) to = bin;
    });
    if (to !== -1) return { item, to };
  }
  return null;
}

interface ReliefOptions {
  readonly items: readonly SharedVcpu[];
  readonly loads: Float64Array;
  readonly members: readonly (readonly number[])[];
  readonly from: number;
  readonly excess: MilliPcpu;
  readonly goal: MilliPcpu;
}
