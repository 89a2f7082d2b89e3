/** What was measured of one vCPU over one interval: all that the measures of nodes and of the VM come from. */
import type { Quantity } from "./measure.ts";

export interface VcpuLoad {
  readonly vcpu: number;
  /** The virtual NUMA node, -1 where the guest shows none. */
  readonly node: number;
  readonly readings: Readonly<Record<Quantity, Reading>>;
  /**
   * Threads that waited for this vCPU, on average over the interval, from another counter than the measures;
   * `null` where the kernel does not tell. Corroborates: nobody gains from a vCPU that nobody waits for.
   */
  readonly waiting: number | null;
}

/** A value with where it is from, or the reason why there is none. An absent value is never a zero. */
export type Reading =
  | { readonly value: number; readonly source: string }
  | { readonly value: null; readonly why: string };

export function known(value: number, source: string): Reading {
  return { value, source };
}

export function absent(why: string): Reading {
  return { value: null, why };
}
