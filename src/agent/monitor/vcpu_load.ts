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
  | {
      readonly value: null;
      readonly why: string;
      /** It is so much at least, as what is known of it proves. */
      readonly least?: number;
    };

export function known(value: number, source: string): Reading {
  return { value, source };
}

export function absent(why: string, least = 0): Reading {
  return least === 0 ? { value: null, why } : { value: null, why, least };
}

/** What the quantity cannot be below: no quantity is negative. */
export function atLeast(reading: Reading): number {
  return reading.value ?? reading.least ?? 0;
}
