/**
 * Every constant of the model, with its source. A scenario may override any of them (`machine.costs`); a study that
 * does so says why. Nanoseconds unless the name says otherwise. "chosen" marks what no source gives: the value is a
 * plausible order of magnitude, and sensitivity runs must show what hangs on it.
 */
export interface Costs {
  /** The hypervisor switches a pCPU from one vCPU to another. */
  readonly vcpuSwitch: number;
  /** The guest switches a vCPU from one task to another. */
  readonly taskSwitch: number;
  /** The sender's part of one IPI: the exit on writing the interrupt command register. */
  readonly ipiSend: number;
  /** The receiver's part: injection, handler, end of interrupt. */
  readonly ipiReceive: number;
  /** The kernel's part of blocking on a futex, and of waking one waiter. */
  readonly futexWait: number;
  readonly futexWake: number;
  /** What the guest's kernel does at a timer tick, beside receiving the interrupt: time-keeping, accounts, its scheduler. */
  readonly timerTick: number;
  /** From the release of a spinlock until the next holder runs on: one contended cache line. */
  readonly lockHandoff: number;
  /** The sender's own part of a TLB shootdown, beside the IPIs. */
  readonly shootdown: number;
  /** A vCPU resumed on the pCPU it last ran on after others ran there; on a sibling in the same last-level cache; in another one. */
  readonly cacheRefillSamePcpu: number;
  readonly cacheRefillSameLlc: number;
  readonly cacheRefillOtherLlc: number;
  /** So long must others run on a pCPU to leave nothing of a vCPU in its caches; after less, less is filled again. */
  readonly cacheEviction: number;
  /** A spinner runs this long before the pause-loop exit, and at most this long after repeated exits. */
  readonly pauseLoopWindow: number;
  readonly pauseLoopWindowMax: number;
  /** The exit itself. */
  readonly pauseLoopExit: number;
  /** A paravirtual lock's waiter spins this long, then halts. */
  readonly paravirtualSpin: number;
  /** Take a vCPU offline or back by light hotplug, by stock hotplug, by isolation. */
  readonly balloonLight: number;
  readonly balloonStock: number;
  readonly balloonIsolate: number;
  /** The longest that lock-holder avoidance delays a preemption. */
  readonly preemptionDelayMax: number;
  /** How fast a pCPU works, as a part of 1, while another thread of its core works too; and far from the domain's memory. */
  readonly smtSharedRate: number;
  readonly remoteMemoryRate: number;
}

/** Of the costs, those that are no times but rates: parts of 1. */
export const RATES: ReadonlySet<string> = new Set(["smtSharedRate", "remoteMemoryRate"]);

export const DEFAULT_COSTS: Costs = {
  // simulator.md 2.3 uses 2 us for switch and world entry; LMbench-class figures are 1-5 us. Chosen.
  vcpuSwitch: 2_000,
  // Chosen: a switch between threads of one address space.
  taskSwitch: 1_000,
  // LATR (ASPLOS'18): one IPI 2.7 us on two sockets; here split between sender and receiver.
  ipiSend: 1_200,
  ipiReceive: 1_500,
  // eCS (ATC'18): a virtualised wake-up of a sleeping vCPU takes 4,000-10,000 cycles; half of it at each end at 2 GHz.
  futexWait: 1_500,
  futexWake: 1_500,
  // Chosen. Only domains with timer ticks pay it.
  timerTick: 1_000,
  // Chosen: one cache line transfer within a socket, about 100 ns.
  lockHandoff: 100,
  // LATR: a munmap of one page takes 2.4 us without its shootdown.
  shootdown: 2_400,
  // Chosen: refill of 32 KB L1 + 256 KB L2; of a task's share of the last-level cache.
  cacheRefillSamePcpu: 0,
  cacheRefillSameLlc: 5_000,
  cacheRefillOtherLlc: 30_000,
  // At once, so that only who ran last counts.
  cacheEviction: 0,
  // Linux 3.x and Xen 4.1: 4096 cycles (2.19 us at 1.87 GHz); modern KVM doubles it per exit. The ceiling is chosen:
  // it bounds the number of events and stands for exits that find nobody to yield to.
  pauseLoopWindow: 2_190,
  pauseLoopWindowMax: 70_000,
  pauseLoopExit: 1_000,
  // Linux: SPIN_THRESHOLD = 2^15 iterations, about 8 cycles each at 2 GHz.
  paravirtualSpin: 131_000,
  // VCPU-Bal B-17: several us for the light way, hundreds of ms for stock hotplug; vScale: 2.1 us to freeze.
  balloonLight: 5_000,
  balloonStock: 100_000_000,
  balloonIsolate: 3_000,
  // eCS: one extra schedule of 1 ms avoids 85-100 % of preemptions in critical sections.
  preemptionDelayMax: 1_000_000,
  // [MEM] D. Marr et al., Intel Technology Journal 6(1), 2002: a second thread brings up to 30 % more throughput: 1.3 / 2 each.
  smtSharedRate: 0.65,
  // Chosen: remote memory takes about 1.5 times as long on two sockets, and half of the time is spent on memory: 1 / 1.25.
  remoteMemoryRate: 0.8,
};

/** CFS of Linux 3.0-3.2 (kernel/sched_fair.c), in the guest and as KVM's host scheduler; times `cfsFactor`. */
export const CFS_LATENCY = 6_000_000;
export const CFS_MIN_GRANULARITY = 750_000;
export const CFS_WAKEUP_GRANULARITY = 1_000_000;
/** More runnable than this and the period grows with their number. */
export const CFS_NR_LATENCY = 8;
/** The weight of nice 0. */
export const NICE_0_WEIGHT = 1024;

/** Linux scales CFS's times with the number of processors: 1 + floor(log2(min(n, 8))). */
export function cfsFactor(processors: number): number {
  if (processors >= 8) return 4;
  if (processors >= 4) return 3;
  return processors >= 2 ? 2 : 1;
}

/**
 * EEVDF's base slice, times `cfsFactor`: 0.70 ms since Linux 6.12 (sysctl_sched_base_slice; 0.75 ms before), so 2.8 ms
 * with 8 processors or more.
 */
export const EEVDF_BASE_SLICE = 700_000;

/** Xen's credit2 (xen/common/sched/credit2.c). Credit is nanoseconds at the rate of the heaviest weight. */
export const CREDIT2 = {
  /** What a vCPU begins with and is given at a reset, also the longest it runs without a decision. */
  initial: 10_000_000,
  /** The most that is carried over a reset, and the shortest a vCPU is let run. */
  carryOver: 500_000,
  /** How much more credit a vCPU needs to take a pCPU that it did not run on last, and what it gets for having moved. */
  migrateResistance: 500_000,
  migrateCompensation: 50_000,
  /** No preemption before this, unless it yields (sched_ratelimit_us), less a tolerance when others look. */
  rateLimit: 1_000_000,
  rateLimitTolerance: 50_000,
  /** How often a capped domain gets its budget (opt_cap_period). */
  capPeriod: 10_000_000,
};

/** Relaxed co-scheduling. The 50 ms are known; how far one vCPU may run ahead and when it is let go on again are ours. */
export const RELAXED_CO = {
  /** VMware's time slice (vScale, section 1). */
  slice: 50_000_000,
  /** [MEM] The white papers' "few milliseconds"; web sources say 3-4 ms. */
  stopLead: 3_000_000,
  /** [INF] Half of it, so that a vCPU is not stopped and started in turn. */
  startLead: 1_500_000,
  /** [INF] How often the skew is looked at, and the least that a woken vCPU lets another run. */
  check: 1_000_000,
};

/** Demand-based scheduling, from the code that preceded the paper (H. Kim et al., ASPLOS'13). */
export const DEMAND_BASED = {
  /** kvm_ipi_tslice_ns: how long an urgent vCPU runs when another urgent one waits. */
  urgentSlice: 100_000,
  /** [MEM] How long the preemption of a vCPU that has just sent a reschedule interrupt is delayed, once. */
  preemptionDelay: 500_000,
};

/** vScale (EuroSys'16): how often extendability is computed. */
export const VSCALE_PERIOD = 10_000_000;

/** The defaults of Linux's steal monitor: interval, and steal in thousandths below which a vCPU is taken back, above which one is left. */
export const PREFERRED_VCPUS = { interval: 1_000_000_000, lowSteal: 20, highSteal: 50 };

/** [INF] Ours: the thesis that proposes the allocation gives no numbers that we could read. */
export const DYNAMIC_ALLOCATION = {
  epoch: 100_000_000,
  /** Epochs of slack before a domain grows. */
  growAfter: 3,
  /** Interrupts and pause-loop exits per vCPU and second from which a domain counts as synchronising. */
  synchronises: 100,
};

/** [INF] How often time ballooning looks at the shares; the paper's interval could not be verified. */
export const TIME_BALLOON_INTERVAL = 50_000_000;
