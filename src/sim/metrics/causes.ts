/**
 * Why a task is not getting on, or what it is doing: every nanosecond of every task between its domain's power-on
 * and the end of the run has exactly one of these causes. The checker holds their sum against the clock.
 */
export const CAUSES = [
  /** Useful work in user mode. */
  "user",
  /** Useful work in the kernel, interrupts and context switches included. */
  "kernel",
  /** Spinning for a lock whose holder is running. */
  "spin",
  /** Spinning while the lock's holder is not on a pCPU: lock-holder preemption. */
  "spin-holder-preempted",
  /** Spinning while the lock was passed to a waiter that is not on a pCPU: lock-waiter preemption. */
  "spin-waiter-preempted",
  /** Spinning at a barrier. */
  "spin-barrier",
  /** Spinning until other vCPUs acknowledge an interrupt, all of them on a pCPU. */
  "spin-ipi",
  /** The same while at least one of them is not on a pCPU. */
  "spin-ipi-preempted",
  /** On a vCPU that is runnable and waits for a pCPU. */
  "steal",
  /** The same, held back by the host's co-scheduling. */
  "co-stopped",
  /** The same, out of budget under its cap. */
  "parked",
  /** Runnable in the guest, waiting for a vCPU. */
  "queued",
  /** Waiting for a lock, a barrier, a condition or a queue without spinning. */
  "blocked",
  "sleeping",
  /** Not started, or finished. */
  "off",
] as const;

export type Cause = (typeof CAUSES)[number];
export const CAUSE_COUNT: number = CAUSES.length;

export const CAUSE_USER = 0;
export const CAUSE_KERNEL = 1;
export const CAUSE_SPIN = 2;
export const CAUSE_SPIN_HOLDER_PREEMPTED = 3;
export const CAUSE_SPIN_WAITER_PREEMPTED = 4;
export const CAUSE_SPIN_BARRIER = 5;
export const CAUSE_SPIN_IPI = 6;
export const CAUSE_SPIN_IPI_PREEMPTED = 7;
export const CAUSE_STEAL = 8;
export const CAUSE_CO_STOPPED = 9;
export const CAUSE_PARKED = 10;
export const CAUSE_QUEUED = 11;
export const CAUSE_BLOCKED = 12;
export const CAUSE_SLEEPING = 13;
export const CAUSE_OFF = 14;
