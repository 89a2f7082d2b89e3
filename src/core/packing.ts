/**
 * Packing: vCPUs that must share pCPUs, so that the load per pCPU is even and siblings never meet.
 *
 * Theory. Scheduling on identical machines: the largest load should be as small as possible. LPT (longest processing
 * time first) puts the heaviest item on the least loaded machine, and so on; its largest load is at most
 * 4/3 - 1/(3m) times the optimum (Graham, SIAM J. Applied Mathematics 17, 1969).
 *
 * Stability. A second candidate leaves every vCPU where it is and places only the others by LPT; it wins when its
 * largest load is not larger.
 *
 * Example. Loads 600, 600, 400, 400 on two pCPUs: 600 + 400 on each.
 */
import type { MilliPcpu } from "./units.ts";

/** For each item the bin, from 0. A domain has at most `bins` items. */
export function packShared(bins: number, items: readonly SharedVcpu[]): number[] {
  const heaviestFirst = [...items.keys()].sort((a, b) => items[b]!.load - items[a]!.load || a - b);
  const kept = pack(bins, items, heaviestFirst, true);
  const fresh = pack(bins, items, heaviestFirst, false);
  return fresh.largest < kept.largest ? fresh.binOf : kept.binOf;
}

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

function pack(bins: number, items: readonly SharedVcpu[], heaviestFirst: readonly number[], keep: boolean): Packed {
  const loads = new Float64Array(bins);
  const counts = new Int32Array(bins);
  const binOf = items.map(() => -1);
  const taken = new Set<number>();
  const put = (item: number, bin: number) => {
    const { domain, load } = items[item]!;
    binOf[item] = bin;
    loads[bin]! += load;
    counts[bin]! += 1;
    taken.add(domain * bins + bin);
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
  const queue = Array.from({ length: bins }, (_, bin) => bin).sort((a, b) => (isBefore(a, b) ? -1 : 1));
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
function reinsert(queue: number[], index: number, isBefore: (a: number, b: number) => boolean): void {
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
