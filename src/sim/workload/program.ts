/**
 * What guest tasks do, as data: the form in which scenario files write it. `compile.ts` turns it into bytecode.
 *
 * Times are nanoseconds of work at full speed. A distribution is chosen by its coefficient of variation: 0 is
 * constant, up to 1 a minimum plus an exponential tail, above 1 a balanced mixture of two exponentials.
 */
export type Duration =
  | number
  | { readonly mean: number; readonly cv: number }
  | { readonly low: number; readonly high: number };

/**
 * How much longer work takes when n run at once: times 1 + contention (n - 1) + coherence n (n - 1), which is the universal
 * scalability law. `domain`: n are the vCPUs of the domain that run, other than those that idle at a barrier: they share its
 * data. `memory`: n are all on the host that do such work on memory of the same node: they share its bandwidth.
 */
export interface Crowding {
  readonly among: "domain" | "memory";
  readonly contention: number;
  readonly coherence: number;
}

export type Step =
  /** `kernel`: counted as kernel time, and not preempted by the guest's scheduler. */
  | {
      readonly do: "compute";
      readonly time: Duration;
      readonly mode?: "user" | "kernel";
      readonly crowding?: Crowding;
    }
  | { readonly do: "lock"; readonly lock: string }
  | { readonly do: "unlock"; readonly lock: string }
  /** Reader-writer semaphores: shared, exclusive. */
  | { readonly do: "down-read"; readonly lock: string }
  | { readonly do: "up-read"; readonly lock: string }
  | { readonly do: "down-write"; readonly lock: string }
  | { readonly do: "up-write"; readonly lock: string }
  | { readonly do: "barrier"; readonly barrier: string }
  /** The holder of `mutex` waits for `signal` or `broadcast`; it holds the mutex again afterwards. */
  | { readonly do: "wait"; readonly condition: string; readonly mutex: string }
  | { readonly do: "signal"; readonly condition: string }
  | { readonly do: "broadcast"; readonly condition: string }
  /** Bounded queues between the stages of a pipeline; both block. */
  | { readonly do: "push"; readonly queue: string }
  | { readonly do: "pop"; readonly queue: string }
  /** Flush the other vCPUs' TLBs by IPI and spin until every one has acknowledged. */
  | { readonly do: "shootdown" }
  | { readonly do: "sleep"; readonly time: Duration }
  | { readonly do: "yield" }
  /** Count one finished piece of work. */
  | { readonly do: "mark" }
  /** `times` absent: for ever. */
  | { readonly do: "repeat"; readonly times?: number; readonly body: readonly Step[] }
  | { readonly do: "chance"; readonly probability: number; readonly body: readonly Step[] };

export type LockKind =
  | "test-and-set"
  | "ticket"
  | "queued"
  | "paravirtual"
  | "paravirtual-ticket"
  | "mutex"
  | "rwsem";

export interface LockConfig {
  readonly kind: LockKind;
}

export interface BarrierConfig {
  readonly parties: number;
  /** How long an early task spins before it blocks: 0 blocks at once, absent spins for ever. */
  readonly spin?: number;
}

export interface QueueConfig {
  readonly capacity: number;
}

/** An open-loop source: pushes an item into `queue` from an interrupt on `vcpu`, whatever the guest is doing. */
export interface SourceConfig {
  readonly queue: string;
  readonly interval: Duration;
  readonly vcpu: number;
}

export interface TaskConfig {
  readonly name?: string;
  /** How many tasks run this program. */
  readonly count: number;
  /** Relative to 1024, as the guest's scheduler weighs it. */
  readonly weight?: number;
  readonly program: readonly Step[];
}

export interface Workload {
  /** The part of its computing that goes to memory, on which far memory tells; absent: half. */
  readonly memoryPart?: number;
  readonly tasks: readonly TaskConfig[];
  readonly locks?: Readonly<Record<string, LockConfig>>;
  readonly barriers?: Readonly<Record<string, BarrierConfig>>;
  readonly conditions?: readonly string[];
  readonly queues?: Readonly<Record<string, QueueConfig>>;
  readonly sources?: readonly SourceConfig[];
}
