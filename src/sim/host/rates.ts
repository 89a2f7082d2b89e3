/**
 * How fast a pCPU works: slower while another thread of its core works too, and for a domain whose memory is on another
 * node. One factor for everything that a task computes; what the guest's kernel does for interrupts and switches, and how long
 * a spinner is patient, is not slowed down. A domain's memory is where one of its vCPUs first ran, and stays there.
 */
import { NOBODY } from "../tables.ts";
import type { World } from "../world.ts";

/** Of a vCPU on a pCPU, now: 1 for all the speed that there is. */
export function rateOn(w: World, p: number, v: number): number {
  const { pcpus, vcpus, domains, costs } = w;
  const d = vcpus.domain[v];
  if (domains.memoryNode[d] === NOBODY) domains.memoryNode[d] = pcpus.node[p];
  const near = domains.memoryNode[d] === pcpus.node[p];
  return (sharesCore(w, p) ? costs.smtSharedRate : 1) * (near ? 1 : domains.remoteRate[d]);
}

/**
 * What far memory leaves of a program's speed: `remoteMemoryRate` is that of a program which spends half of its time on
 * memory; the time that far memory adds is in proportion to that part. One that lives in its caches loses nothing.
 */
export function remoteRateOf(memoryPart: number, remoteMemoryRate: number): number {
  return 1 / (1 + (memoryPart / MEMORY_PART) * (1 / remoteMemoryRate - 1));
}

/** Of a program that does not say. Chosen, as the rate is. */
export const MEMORY_PART = 0.5;

function sharesCore({ pcpus }: World, p: number): boolean {
  for (let q = 0; q < pcpus.count; q++)
    if (q !== p && pcpus.core[q] === pcpus.core[p] && pcpus.current[q] !== NOBODY) return true;
  return false;
}

/** No two pCPUs share a core, and all are on one node: everybody works at full speed always. */
export function ratesVary(places: readonly { readonly core: number; readonly node: number }[]): boolean {
  return (
    new Set(places.map(({ core }) => core)).size < places.length ||
    1 < new Set(places.map(({ node }) => node)).size
  );
}
