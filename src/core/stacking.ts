/**
 * How far the vCPUs of a domain were kept from running at the same time, from what each ran within a second or so, and where.
 * Siblings that have one pCPU between them cannot run together, and no more can one that the host's scheduler passes over for the
 * whole second: whoever waits for the other then waits for as long. So running that is all on one pCPU is 1, and running that is
 * the same on as many pCPUs as there are vCPUs is 0; siblings may still have taken turns, which nobody can tell from sums.
 *
 * Between them it is by how many pCPUs were in use, as ecologists count species: the square of the sum over the sum of the
 * squares (E. H. Simpson, Nature 163, 1949).
 */
import type { PcpuId } from "./units.ts";

/** Of one vCPU. `null`: not known. */
export interface RanOn {
  /** Of any unit, the same for all. */
  readonly ran: number | null;
  readonly pcpu: PcpuId | null;
}

/** 0 to 1; `null` where it has no sense: one vCPU, less than `least` in all, or somebody of whom nothing is known. */
export function stackingOf(vcpus: readonly RanOn[], least: number): number | null {
  if (vcpus.length < 2) return null;
  const perPcpu = new Map<PcpuId, number>();
  for (const { ran, pcpu } of vcpus) {
    if (ran === null) return null;
    if (ran === 0) continue;
    if (pcpu === null) return null;
    perPcpu.set(pcpu, (perPcpu.get(pcpu) ?? 0) + ran);
  }
  const sums = [...perPcpu.values()];
  const all = sums.reduce((total, ran) => total + ran, 0);
  if (all <= 0 || all < least) return null;
  const used = all ** 2 / sums.reduce((total, ran) => total + ran ** 2, 0);
  return (vcpus.length - used) / (vcpus.length - 1);
}
