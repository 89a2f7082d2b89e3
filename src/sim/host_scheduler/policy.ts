/**
 * The one interface between the host's mechanism and a scheduling policy. A policy is one file here plus one line in
 * policies.ts.
 *
 * The mechanism (host/dispatch.ts) owns the vCPUs' states, the switching, its cost and the accounts. A policy owns
 * its queues and its numbers, and only answers questions:
 *
 * - It keeps every runnable vCPU that is not running in exactly one of its own queues. It learns of a vCPU by
 *   `onWake` and `onPreempt`, and must forget it on `onHalt` (which also comes for vCPUs that were running).
 * - `pickNext(p)` takes the vCPU that runs next on p out of the queue, or returns -1 to leave p idle. It may return
 *   only runnable vCPUs that `host.allowed(v, p)`.
 * - It asks for a new decision with `host.reschedule(p)`. Decisions are made after the current event, so a policy
 *   never sees a half-done state and may ask for as many as it likes. Those asked for in one event are made together:
 *   `onPreempt` for each of their pCPUs in ascending order, then `pickNext` for each, then all switch. A gang starts
 *   and stops, and vCPUs change places, in one instant.
 * - It may read everything through `host`, and may change nothing but its own columns, timers and `host.hold`.
 * - Equal states must give equal answers: ties go to the lower id, no clock but `host.now()`, no random numbers but
 *   `host.draw()`.
 */
export interface HostPolicy {
  /** True: it never leaves a pCPU idle while a vCPU that may run there waits. Checked runs hold it to that. */
  readonly workConserving?: boolean;
  /** True: its pCPUs change hands together, so lock-holder avoidance must not hold one of them up. */
  readonly switchesTogether?: boolean;
  /** How long some of a domain's runnable vCPUs may run while others wait; checked runs hold a policy with gangs to it. */
  readonly gangSkewMax?: number;
  /** A vCPU became runnable: woken by an interrupt, or just started. Queue it; ask for decisions where it matters. */
  onWake(vcpu: number): void;
  /** A vCPU stopped being runnable: halted or taken offline. It may be queued, or have been running on `pcpu` (else -1). */
  onHalt(vcpu: number, pcpu: number): void;
  /** A decision is due on `pcpu` and this vCPU, which ran there until now, is still runnable: queue it. */
  onPreempt(vcpu: number, pcpu: number): void;
  pickNext(pcpu: number): number;
  /** How long it may run before the next decision; Infinity for until something happens. */
  slice(vcpu: number, pcpu: number): number;
  /** One of the policy's timers came: 0 to pcpus - 1 are meant for ticks, the others for accounting. */
  onTimer?(timer: number): void;
  /** The vCPU on `pcpu` spins in vain (pause-loop exit) or yields; it stays current until a decision is asked for. */
  onYield?(vcpu: number, pcpu: number): void;
  /** A guest sends an interrupt between its vCPUs; it takes effect after this call. `vector` is one of IRQ_*. */
  onIpi?(from: number, to: number, vector: number): void;
  /** The pins of a vCPU changed. A vCPU that runs where it may no longer be is rescheduled by the mechanism. */
  onPins?(vcpu: number): void;
  /** A vCPU was taken from (`online` false) or given to its domain. */
  onOnline?(vcpu: number, online: boolean): void;
}

/** What a policy may see and do. `host.ts` implements it. */
export interface Host {
  readonly pcpus: number;
  readonly vcpus: number;
  readonly domains: number;
  now(): number;
  domainOf(vcpu: number): number;
  /** Its number within its domain, from 0. */
  indexOf(vcpu: number): number;
  firstVcpuOf(domain: number): number;
  vcpuCountOf(domain: number): number;
  weightOf(domain: number): number;
  /** Thousandths of a pCPU, 0 for no cap. */
  capOf(domain: number): number;
  isRunnable(vcpu: number): boolean;
  isRunning(vcpu: number): boolean;
  isOnline(vcpu: number): boolean;
  /** Who runs there, or -1. */
  running(pcpu: number): number;
  /** Idle, and no decision is pending that may give it somebody. */
  isIdle(pcpu: number): boolean;
  /** Where it runs, or -1. */
  pcpuOf(vcpu: number): number;
  /** Where it ran last, or -1. */
  lastPcpuOf(vcpu: number): number;
  allowed(vcpu: number, pcpu: number): boolean;
  /** Its pCPU time so far, to this nanosecond. */
  ranOf(vcpu: number): number;
  /** It runs guest kernel code or holds a spinlock now: what a hypervisor sees as privilege level, or is told. */
  inKernel(vcpu: number): boolean;
  /** An interrupt is pending for it. */
  hasInterrupt(vcpu: number): boolean;
  coreOf(pcpu: number): number;
  llcOf(pcpu: number): number;
  nodeOf(pcpu: number): number;
  /** Decide again on this pCPU after the current event. */
  reschedule(pcpu: number): void;
  /** Says why a runnable vCPU is held back (HELD_*), for the attribution of causes only. */
  hold(vcpu: number, why: number): void;
  /** Arms one of `policyTimers` timers; Infinity disarms. */
  arm(timer: number, at: number): void;
  readonly policyTimers: number;
  /** 32 random bits from (what, n): equal arguments give equal bits in a run. */
  draw(what: number, n: number): number;
}

export type PolicyFactory<Config> = (host: Host, config: Config) => HostPolicy;
