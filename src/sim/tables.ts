/**
 * The state of the world as columns: one table per kind of thing, one typed array per property, ids as indexes.
 * Tables only hold; the rules that change them are in guest/, guest_scheduler/ and host/.
 * An id of -1 is nobody. Times are nanoseconds; `NEVER` is a time that does not come.
 */
import { CAUSE_COUNT, CAUSE_OFF } from "./metrics/causes.ts";

export const NEVER: number = Number.POSITIVE_INFINITY;
export const NOBODY = -1;

// States of a vCPU.
export const VCPU_OFFLINE = 0;
/** Has nothing to run and waits for an interrupt. */
export const VCPU_HALTED = 1;
export const VCPU_RUNNABLE = 2;
export const VCPU_RUNNING = 3;
export const VCPU_STATES = 4;

// Why a runnable vCPU is held back by its policy, for attribution.
export const HELD_NOT = 0;
export const HELD_CO_STOPPED = 1;
export const HELD_PARKED = 2;

// Whether the guest uses a vCPU, and if not, by which mechanism it was taken.
export const BALLOON_OPEN = 0;
export const BALLOON_OFFLINE = 1;
export const BALLOON_ISOLATED = 2;

// States of a task.
export const TASK_READY = 0;
export const TASK_CURRENT = 1;
export const TASK_BLOCKED = 2;
export const TASK_SLEEPING = 3;
export const TASK_DONE = 4;

// What a task does when its vCPU runs.
export const DOES_WORK = 0;
export const DOES_SPIN_LOCK = 1;
export const DOES_SPIN_BARRIER = 2;
export const DOES_SPIN_ACK = 3;
/** Woken to try for a blocking lock again. */
export const DOES_RETRY = 4;

// Interrupts pending at a vCPU.
export const IRQ_RESCHEDULE = 1;
export const IRQ_SHOOTDOWN = 2;
export const IRQ_DEVICE = 4;
export const IRQ_BALLOON = 8;
export const IRQ_TIMER = 16;
export const IRQ_TICK = 32;

export const ints = (n: number, value = 0): Int32Array => new Int32Array(n).fill(value);
export const floats = (n: number, value = 0): Float64Array => new Float64Array(n).fill(value);

export class Pcpus {
  readonly count: number;
  readonly current: Int32Array;
  readonly lastVcpu: Int32Array;
  /** End of the current slice, or of a delayed preemption. */
  readonly hostDue: Float64Array;
  /** When its current vCPU, or its idling, began; and when the switch to that vCPU was over. */
  readonly switchedAt: Float64Array;
  readonly resumeAt: Float64Array;
  readonly idle: Float64Array;
  readonly switching: Float64Array;
  readonly run: Float64Array;
  /** Asked to decide: a mark for each, and their list in the order of asking. */
  readonly reschedule: Uint8Array;
  readonly asked: Int32Array;
  /** Decides now: a mark for each, and their list in ascending order. */
  readonly deciding: Uint8Array;
  readonly round: Int32Array;
  readonly picked: Int32Array;
  readonly core: Int32Array;
  readonly llc: Int32Array;
  readonly node: Int32Array;

  constructor(places: readonly { core: number; llc: number; node: number }[]) {
    const n = places.length;
    this.count = n;
    this.current = ints(n, NOBODY);
    this.lastVcpu = ints(n, NOBODY);
    this.hostDue = floats(n, NEVER);
    this.switchedAt = floats(n);
    this.resumeAt = floats(n);
    this.idle = floats(n);
    this.switching = floats(n);
    this.run = floats(n);
    this.reschedule = new Uint8Array(n);
    this.asked = ints(n);
    this.deciding = new Uint8Array(n);
    this.round = ints(n);
    this.picked = ints(n, NOBODY);
    this.core = Int32Array.from(places, (place) => place.core);
    this.llc = Int32Array.from(places, (place) => place.llc);
    this.node = Int32Array.from(places, (place) => place.node);
  }
}

export class Vcpus {
  readonly count: number;
  readonly domain: Int32Array;
  readonly index: Int32Array;
  readonly state: Uint8Array;
  readonly since: Float64Array;
  /** Time spent in each state: `times[v * VCPU_STATES + state]`, settled at changes of state. */
  readonly times: Float64Array;
  readonly dispatches: Float64Array;
  readonly held: Uint8Array;
  readonly pcpu: Int32Array;
  readonly lastPcpu: Int32Array;
  /** What `lastPcpu` had run in all when the vCPU left it. */
  readonly leftAtRun: Float64Array;
  /** `allowed[v * pcpus + p]`: the pins. */
  readonly allowed: Uint8Array;
  /** Up to when the progress of a running vCPU is settled; in the future while the pCPU still switches to it. */
  readonly mark: Float64Array;
  readonly ran: Float64Array;
  readonly current: Int32Array;
  readonly lastTask: Int32Array;
  /** Kernel work that goes before the current task: interrupts, context switches, cache refill. */
  readonly overhead: Float64Array;
  readonly irqs: Uint8Array;
  /** Timer ticks that it took. */
  readonly ticks: Float64Array;
  readonly reschedule: Uint8Array;
  /** On the guest's clock: since when the current task runs, and up to when it was charged for it. */
  readonly pickedAt: Float64Array;
  readonly chargedAt: Float64Array;
  readonly guestDue: Float64Array;
  readonly minVruntime: Float64Array;
  readonly queueLength: Int32Array;
  readonly queueBase: Int32Array;
  readonly queue: Int32Array;
  /** The address space is loaded here, so a shootdown must reach it. */
  readonly mmActive: Uint8Array;
  /** What the guest's kernel counts of it: times it turned to another task, and the integral of its queue's length. */
  readonly arrivals: Float64Array;
  /** How often a task was given the vCPU, the one that had it last too. */
  readonly picks: Float64Array;
  readonly queueTime: Float64Array;
  readonly queueCountedAt: Float64Array;
  /** OPEN, or how it was taken: the guest puts no task on a vCPU that is not open. */
  readonly balloon: Uint8Array;
  /** Tasks that do not exist but count in the guest's load balance: Uhlig's time ballooning. */
  readonly artificialLoad: Int32Array;
  /** What `balloon` is about to become. */
  readonly balloonAim: Uint8Array;
  /** Those who began to wait for a pCPU, or were let go by their pins, in the current event. */
  readonly fresh: Int32Array;
  readonly isFresh: Uint8Array;
  /** Acknowledgements that it owes. */
  readonly owedCount: Int32Array;
  readonly preemptPending: Uint8Array;
  readonly delayUsed: Uint8Array;
  readonly pauseWindow: Float64Array;
  /** How fast its task works where it runs: 1, or less beside a busy thread of the core or far from memory. */
  readonly rate: Float64Array;

  constructor(
    domainOf: readonly number[],
    indexOf: readonly number[],
    pcpus: number,
    tasksOf: readonly number[],
  ) {
    const n = domainOf.length;
    this.count = n;
    this.domain = Int32Array.from(domainOf);
    this.index = Int32Array.from(indexOf);
    this.state = new Uint8Array(n);
    this.since = floats(n);
    this.times = floats(n * VCPU_STATES);
    this.dispatches = floats(n);
    this.held = new Uint8Array(n);
    this.pcpu = ints(n, NOBODY);
    this.lastPcpu = ints(n, NOBODY);
    this.leftAtRun = floats(n);
    this.allowed = new Uint8Array(n * pcpus).fill(1);
    this.mark = floats(n);
    this.ran = floats(n);
    this.current = ints(n, NOBODY);
    this.lastTask = ints(n, NOBODY);
    this.overhead = floats(n);
    this.irqs = new Uint8Array(n);
    this.ticks = floats(n);
    this.reschedule = new Uint8Array(n);
    this.pickedAt = floats(n);
    this.chargedAt = floats(n);
    this.guestDue = floats(n, NEVER);
    this.minVruntime = floats(n);
    this.queueLength = ints(n);
    this.queueBase = ints(n);
    let base = 0;
    for (let v = 0; v < n; v++) {
      this.queueBase[v] = base;
      base += tasksOf[domainOf[v]];
    }
    this.queue = ints(base, NOBODY);
    this.mmActive = new Uint8Array(n);
    this.arrivals = floats(n);
    this.picks = floats(n);
    this.queueTime = floats(n);
    this.queueCountedAt = floats(n);
    this.balloon = new Uint8Array(n);
    this.artificialLoad = ints(n);
    this.balloonAim = new Uint8Array(n);
    this.fresh = ints(n);
    this.isFresh = new Uint8Array(n);
    this.owedCount = ints(n);
    this.preemptPending = new Uint8Array(n);
    this.delayUsed = new Uint8Array(n);
    this.pauseWindow = floats(n);
    this.rate = floats(n, 1);
  }
}

/** A task holds at most this many spinlocks at once. */
export const HELD_LOCKS_MAX = 4;

export class Tasks {
  readonly count: number;
  readonly domain: Int32Array;
  readonly vcpu: Int32Array;
  readonly state: Uint8Array;
  readonly does: Uint8Array;
  /** Work: left of the current step. Spinning: left until it gives up. */
  readonly remaining: Float64Array;
  readonly kernelMode: Uint8Array;
  /** Of the piece of work that it last began: which crowding it suffers, plus 1; 0 for none. */
  readonly crowding: Int32Array;
  readonly weight: Float64Array;
  readonly vruntime: Float64Array;
  /** Greater than 0: the guest's scheduler must not take it off its vCPU. */
  readonly preemptDepth: Int32Array;
  readonly heldCount: Int32Array;
  readonly held: Int32Array;
  readonly waitsFor: Int32Array;
  readonly next: Int32Array;
  readonly entry: Int32Array;
  readonly pc: Int32Array;
  readonly loops: Int32Array;
  readonly key: Int32Array;
  readonly draws: Int32Array;
  readonly acksOwed: Int32Array;
  /** Of the targets that still owe an acknowledgement, how many are not on a pCPU. */
  readonly acksOffPcpu: Int32Array;
  readonly offCause: Uint8Array;
  readonly offSince: Float64Array;
  /** Its vCPU lost the pCPU while it was in the kernel; and for how long so far. */
  readonly offInKernel: Uint8Array;
  readonly stolenInKernel: Float64Array;
  /** `times[h * CAUSE_COUNT + cause]`. */
  readonly times: Float64Array;
  readonly stallHolderSeen: Float64Array;
  readonly stallWaiterSeen: Float64Array;
  readonly marks: Float64Array;
  readonly pauseLeft: Float64Array;

  constructor(domainOf: readonly number[], loopDepth: number) {
    const n = domainOf.length;
    this.count = n;
    this.domain = Int32Array.from(domainOf);
    this.vcpu = ints(n);
    this.state = new Uint8Array(n).fill(TASK_DONE);
    this.does = new Uint8Array(n);
    this.remaining = floats(n);
    this.kernelMode = new Uint8Array(n);
    this.crowding = ints(n);
    this.weight = floats(n, 1024);
    this.vruntime = floats(n);
    this.preemptDepth = ints(n);
    this.heldCount = ints(n);
    this.held = ints(n * HELD_LOCKS_MAX, NOBODY);
    this.waitsFor = ints(n, NOBODY);
    this.next = ints(n, NOBODY);
    this.entry = ints(n);
    this.pc = ints(n);
    this.loops = ints(n * loopDepth);
    this.key = ints(n);
    this.draws = ints(n);
    this.acksOwed = ints(n);
    this.acksOffPcpu = ints(n);
    this.offCause = new Uint8Array(n).fill(CAUSE_OFF);
    this.offSince = floats(n);
    this.offInKernel = new Uint8Array(n);
    this.stolenInKernel = floats(n);
    this.times = floats(n * CAUSE_COUNT);
    this.stallHolderSeen = floats(n);
    this.stallWaiterSeen = floats(n);
    this.marks = floats(n);
    this.pauseLeft = floats(n, NEVER);
  }
}

export class Domains {
  readonly count: number;
  readonly names: readonly string[];
  readonly weight: Float64Array;
  /** Thousandths of a pCPU; 0 for none. */
  readonly cap: Float64Array;
  readonly firstVcpu: Int32Array;
  readonly vcpuCount: Int32Array;
  readonly firstTask: Int32Array;
  readonly taskCount: Int32Array;
  readonly tasksLeft: Int32Array;
  readonly startAt: Float64Array;
  readonly poweredOn: Uint8Array;
  readonly finishedAt: Float64Array;
  readonly restarts: Uint8Array;
  readonly completions: Int32Array;
  readonly stealAware: Uint8Array;
  /** Between two ticks of its vCPUs' timers; 0 for none. */
  readonly tickPeriod: Float64Array;
  readonly nextPlacement: Int32Array;
  /** The node of its memory: where one of its vCPUs first ran. */
  readonly memoryNode: Int32Array;
  /** How fast it computes on a pCPU that is far from its memory. */
  readonly remoteRate: Float64Array;
  /** Interrupts that its vCPUs sent each other, and their pause-loop exits: what a host sees of synchronisation. */
  readonly ipis: Float64Array;
  readonly pauseLoopExits: Float64Array;
  /** Of the first, those that its own kernel counts on arrival: equal ones that wait for the same vCPU arrive as one. */
  readonly arrivedIpis: Float64Array;

  constructor(names: readonly string[]) {
    const n = names.length;
    this.count = n;
    this.names = names;
    this.weight = floats(n, 256);
    this.cap = floats(n);
    this.firstVcpu = ints(n);
    this.vcpuCount = ints(n);
    this.firstTask = ints(n);
    this.taskCount = ints(n);
    this.tasksLeft = ints(n);
    this.startAt = floats(n);
    this.poweredOn = new Uint8Array(n);
    this.finishedAt = floats(n, NEVER);
    this.restarts = new Uint8Array(n);
    this.completions = ints(n);
    this.stealAware = new Uint8Array(n);
    this.tickPeriod = floats(n);
    this.nextPlacement = ints(n);
    this.memoryNode = ints(n, NOBODY);
    this.remoteRate = floats(n, 1);
    this.ipis = floats(n);
    this.pauseLoopExits = floats(n);
    this.arrivedIpis = floats(n);
  }
}

// Kinds of locks.
export const LOCK_TEST_AND_SET = 0;
export const LOCK_TICKET = 1;
export const LOCK_QUEUED = 2;
export const LOCK_PARAVIRTUAL = 3;
export const LOCK_PARAVIRTUAL_TICKET = 4;
// From here on waiters block.
export const LOCK_MUTEX = 5;
export const LOCK_RWSEM = 6;

// Who is off the pCPU while others spin for a lock.
export const STALL_NONE = 0;
export const STALL_HOLDER = 1;
export const STALL_WAITER = 2;

export class Locks {
  readonly count: number;
  readonly kind: Uint8Array;
  readonly holder: Int32Array;
  readonly readers: Int32Array;
  /** Two clocks that run while the holder, or the waiter that it was passed to, is not on a pCPU. */
  readonly stall: Uint8Array;
  readonly stallSince: Float64Array;
  readonly stallHolder: Float64Array;
  readonly stallWaiter: Float64Array;
  readonly acquisitions: Float64Array;
  /** Since when it is held, and how long it was held before. */
  readonly heldSince: Float64Array;
  readonly heldTime: Float64Array;

  constructor(kinds: readonly number[]) {
    const n = kinds.length;
    this.count = n;
    this.kind = Uint8Array.from(kinds);
    this.holder = ints(n, NOBODY);
    this.readers = ints(n);
    this.stall = new Uint8Array(n);
    this.stallSince = floats(n);
    this.stallHolder = floats(n);
    this.stallWaiter = floats(n);
    this.acquisitions = floats(n);
    this.heldSince = floats(n);
    this.heldTime = floats(n);
  }
}

export class Barriers {
  readonly parties: Int32Array;
  readonly spin: Float64Array;
  readonly arrived: Int32Array;
  readonly releases: Float64Array;

  constructor(parties: readonly number[], spin: readonly number[]) {
    this.parties = Int32Array.from(parties);
    this.spin = Float64Array.from(spin);
    this.arrived = ints(parties.length);
    this.releases = floats(parties.length);
  }
}
