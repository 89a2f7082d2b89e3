import { NOBODY } from "../tables.ts";
import type { World } from "../world.ts";

/** Caches that others have used since must be filled again, the more so the farther the vCPU has moved. */
export function refillCost(w: World, p: number, v: number): number {
  const { pcpus, vcpus, costs } = w;
  const last = vcpus.lastPcpu[v];
  if (last === NOBODY) return 0;
  if (last === p)
    return pcpus.lastVcpu[p] === v ? 0 : Math.round(evictedPart(w, p, v) * costs.cacheRefillSamePcpu);
  return pcpus.llc[last] === pcpus.llc[p] ? costs.cacheRefillSameLlc : costs.cacheRefillOtherLlc;
}

/** A daemon that runs for a moment leaves a vCPU most of its lines; one that has its slice leaves none. */
function evictedPart(w: World, p: number, v: number): number {
  const { cacheEviction } = w.costs;
  return cacheEviction === 0 ? 1 : Math.min(1, (w.pcpus.run[p] - w.vcpus.leftAtRun[v]) / cacheEviction);
}
