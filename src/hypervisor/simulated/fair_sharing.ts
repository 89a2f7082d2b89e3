/**
 * Makes the counters of the simulated host move: in each quantum the vCPUs that waited longest run first, each on
 * its last pCPU if that is free and allowed, else on the first that is. Equal vCPUs on one pCPU thus share it
 * equally. It is no model of speed; the simulator (src/sim) is.
 *
 * Example: one pCPU, two busy vCPUs, 40 ms: each has run 20 ms and waited 20 ms.
 */
import type { Milliseconds, PcpuId } from "../../core/units.ts";
import { effectivePins, type SimulatedDomain, type SimulatedVcpu, type World } from "./world.ts";

export interface FairSharing {
  /** Lets the vCPUs of the world run for so long. */
  elapse(duration: Milliseconds): void;
}

/** Short against an observation period, long against the cost of a round. */
export const QUANTUM_MS = 10;

const NANOSECONDS_PER_MILLISECOND = 1_000_000;

export function createFairSharing(world: World): FairSharing {
  let quantum = 0;
  return {
    elapse(duration) {
      for (let left = duration; left > 0; left -= QUANTUM_MS) {
        runQuantum(world, quantum++, Math.min(left, QUANTUM_MS) * NANOSECONDS_PER_MILLISECOND);
      }
    },
  };
}

function runQuantum(world: World, quantum: number, length: number): void {
  const free = new Set<PcpuId>(world.pcpus.filter((pcpu) => pcpu.online).map((pcpu) => pcpu.id));
  const runnable = [...world.domains.values()].flatMap(busyVcpus);
  // Among those that ran last in the same quantum, the one that had less goes first; then the order of the domains.
  for (const vcpu of runnable.sort((a, b) => a.lastRan - b.lastRan || a.run - b.run)) {
    const pcpu = choosePcpu(vcpu, effectivePins(world, vcpu.pins), free);
    if (pcpu === undefined) {
      vcpu.wait += length;
    } else {
      free.delete(pcpu);
      vcpu.run += length;
      if (vcpu.lastPcpu !== pcpu || vcpu.lastRan !== quantum - 1) vcpu.dispatches += 1;
      vcpu.lastPcpu = pcpu;
      vcpu.lastRan = quantum;
    }
  }
}

/** The lowest vCPUs in use are the busy ones, as many as there are busy threads. */
function busyVcpus(domain: SimulatedDomain): SimulatedVcpu[] {
  if (domain.state === "paused") return [];
  return domain.vcpus
    .filter((vcpu) => domain.guest.online.has(vcpu.index))
    .slice(0, domain.guest.busyThreads);
}

function choosePcpu(
  vcpu: SimulatedVcpu,
  allowed: readonly PcpuId[],
  free: ReadonlySet<PcpuId>,
): PcpuId | undefined {
  if (vcpu.lastPcpu !== null && free.has(vcpu.lastPcpu) && allowed.includes(vcpu.lastPcpu)) {
    return vcpu.lastPcpu;
  }
  return allowed.find((pcpu) => free.has(pcpu));
}
