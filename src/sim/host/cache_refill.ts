import { NOBODY } from "../tables.ts";
import type { World } from "../world.ts";

/** Caches that others have used since must be filled again, the more so the farther the vCPU has moved. */
export function refillCost(w: World, p: number, v: number): number {
  const { pcpus, vcpus, costs } = w;
  const last = vcpus.lastPcpu[v];
  if (last === NOBODY) return 0;
  if (last === p) return pcpus.lastVcpu[p] === v ? 0 : costs.cacheRefillSamePcpu;
  return pcpus.llc[last] === pcpus.llc[p] ? costs.cacheRefillSameLlc : costs.cacheRefillOtherLlc;
}
