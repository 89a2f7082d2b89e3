/**
 * A model of a recorded host: what the record does not say, filled in. Models are drawn from ranges that were written down before
 * any comparison, from nothing but the record and a key, so that equal records give equal models; fit.ts keeps those that behave
 * as the record does.
 *
 * How the threads of a domain meet is one of the mechanisms of the workload library, at any intensity from "all the time" to
 * "hardly ever". What a domain's work is cannot be read from a record; the spread of the answers shows how much hangs on it.
 */
import { bits, keyOf, uniform } from "../../sim/engine/draw.ts";
import { DEFAULT_COSTS } from "../../sim/machine/constants.ts";
import type { RecordedDomain, Recording } from "./recording.ts";

export const MEETINGS = ["compute", "spin-barrier", "futex-barrier", "spinlock", "mm"] as const;
/** The names are those of the library (sim/workload/library/synthetic.ts). */
export type Meeting = (typeof MEETINGS)[number];

export interface Model {
  readonly host: HostModel;
  /** In the order of the recording. */
  readonly domains: readonly DomainModel[];
}

export interface HostModel {
  /** A cgroup for each domain, as libvirt makes them: the host shares by domain, not by vCPU. */
  readonly groups: boolean;
  /** On the simulator's costs of futexes, hand-overs and task switches: what a guest does itself, fast or slowly. */
  readonly meetingFactor: number;
  /** On its costs of interrupts, for which a guest has to be left: hardware, nesting and emulation differ more widely still. */
  readonly interruptFactor: number;
  /** On its cost of a TLB shootdown, which differs more widely still. */
  readonly shootdownFactor: number;
  /** The part of its speed that a vCPU loses where others have its pCPU as long as it has: caches hold less of it. */
  readonly sharingLoss: number;
  /** Threads on the host that belong to no recorded domain, always busy. */
  readonly otherThreads: number;
  /** It notices a vCPU that spins, and lets a sibling run: what KVM does where the hardware can, and emulation never. */
  readonly pauseLoopExits: boolean;
  /** Between two ticks, at which slices end. Nanoseconds. */
  readonly tickNs: number;
  /** What the host itself has to do on each of its pCPUs now and then; `null`: nothing at all. */
  readonly housekeeping: Housekeeping | null;
  /** It leaves vCPUs where they are, siblings on one pCPU too; else a pCPU that idles takes one from another. */
  readonly staying: boolean;
}

/** On average, in nanoseconds. */
export interface Housekeeping {
  readonly workNs: number;
  readonly sleepNs: number;
}

export interface DomainModel {
  readonly meeting: Meeting;
  readonly threads: number;
  /** Between two meetings, in nanoseconds. */
  readonly workNs: number;
  /** The part of it under the lock (`spinlock`), or how often a piece of work unmaps memory (`mm`). */
  readonly intensity: number;
  /** Of its work, the part in page faults, which hold the address space against those that unmap (`mm`). */
  readonly faultPart: number;
  /** Works so long between two sleeps; `null`: never sleeps of its own accord. Nanoseconds. */
  readonly burst: Burst | null;
  /** Of its work that is no page fault and under no lock, the part in the kernel. */
  readonly kernelPart: number;
  /** How far a host that leaves vCPUs where they are keeps these from running together: 0 to 1. */
  readonly stacking: number;
}

export interface Burst {
  readonly workNs: number;
  readonly sleepNs: number;
  /** All threads end it together and sleep together, as between two runs of a program; or each for itself. */
  readonly together: boolean;
}

/** Below, the costs of meeting are all there is; above, threads that meet are no longer told from those that do not. */
export const WORK_NS: Range = [3_000, 10_000_000];
/** From fast hardware to emulation. */
const MEETING_FACTOR: Range = [0.5, 30];
/** From hardware that delivers them by itself to an emulator whose threads wake each other. */
const INTERRUPT_FACTOR: Range = [0.5, 200];
/** Other programs block and wake in other ways, and sleep on other vCPUs, than the one that it was measured with. */
const MEASURED_SPREAD = 1.6;
const { futexWait, futexWake, taskSwitch, ipiSend, ipiReceive } = DEFAULT_COSTS;
const HANDOVER_NS = futexWait + futexWake + taskSwitch;
const WAKEUP_NS = ipiSend + ipiReceive;
/** From a few microseconds to milliseconds: an emulator throws away what it had translated, as seen in a guest alone on its host. */
const SHOOTDOWN_FACTOR: Range = [0.5, 1_000];
/** From a hardly used lock, or a rare unmapping, to one in two. */
const INTENSITY: Range = [0.005, 0.5];
/** From a program that computes, and faults now and then, to one that does nothing else. */
const FAULT_PART: Range = [0.05, 1];
const BURST_NS: Range = [200_000, 50_000_000];
/** Half of the hosts do nothing else. */
const OTHERS_CHANCE = 0.5;
/** Linux is built for 1,000, 300, 250 or 100 ticks a second (its kernel/Kconfig.hz). */
const TICKS_NS = [1_000_000, 3_333_333, 4_000_000, 10_000_000] as const;
/** Kernel threads, emulators, daemons: of a pCPU, from nearly nothing to what a crowded host has, and how often they wake. */
const HOUSEKEEPING_PART: Range = [0.001, 0.3];
const HOUSEKEEPING_EVERY_NS: Range = [300_000, 100_000_000];
/** From a loop that lives in registers to one that lives in its caches. */
const SHARING_LOSS: Range = [0.001, 0.1];
const NO_KERNEL_CHANCE = 0.25;
const RECORDED_KERNEL_BELOW = 0.6;
/** A domain this close to always wanting a pCPU has no sleep in it that a record would show. */
const ALWAYS_BUSY = 0.97;
const BUSY_MIN = 0.01;

export type Range = readonly [low: number, high: number];

/** The n-th model of a record. */
export function drawModel(recording: Recording, key: number): Model {
  return {
    host: drawHost(recording, keyOf(key, HOST_STREAM)),
    domains: recording.domains.map((domain, d) => drawDomain(domain, keyOf(key, d))),
  };
}

const HOST_STREAM = 0x686f_7374;

export function drawHost({ pcpus, facts }: Recording, key: number): HostModel {
  const draw = stream(key);
  return {
    groups: draw() < 0.5,
    meetingFactor: factorOf(MEETING_FACTOR, facts.handoverNs, HANDOVER_NS, draw()),
    shootdownFactor: logUniform(SHOOTDOWN_FACTOR, draw()),
    otherThreads: draw() < OTHERS_CHANCE ? 0 : 1 + Math.floor(draw() * 2 * pcpus.length),
    pauseLoopExits: facts.pauseLoopExits ?? draw() < 0.5,
    tickNs: TICKS_NS[Math.floor(draw() * TICKS_NS.length)]!,
    housekeeping: housekeepingOf(
      logUniform(HOUSEKEEPING_PART, draw()),
      logUniform(HOUSEKEEPING_EVERY_NS, draw()),
    ),
    sharingLoss: facts.sharingLoss ?? logUniform(SHARING_LOSS, draw()),
    staying: draw() < 0.5,
    interruptFactor: factorOf(INTERRUPT_FACTOR, facts.wakeupNs, WAKEUP_NS, draw()),
  };
}

/** On what the simulator takes for it: near what somebody measured, or anything in the range. */
function factorOf(range: Range, measuredNs: number | null, simulatedNs: number, u: number): number {
  if (measuredNs === null) return logUniform(range, u);
  const measured = measuredNs / simulatedNs;
  return logUniform([measured / MEASURED_SPREAD, measured * MEASURED_SPREAD], u);
}

function housekeepingOf(part: number, everyNs: number): Housekeeping {
  return { workNs: part * everyNs, sleepNs: (1 - part) * everyNs };
}

export function drawDomain(
  { online, run, wait, inKernel, stacking }: RecordedDomain,
  key: number,
): DomainModel {
  const draw = stream(key);
  const least = Math.min(online, Math.max(1, Math.ceil(run.mean - 0.05)));
  // One thread per vCPU is what programs start; the other half is anything that could have run so much.
  const threads = draw() < 0.5 ? online : least + Math.floor(draw() * (online - least + 1));
  const meeting = threads === 1 ? "compute" : MEETINGS[Math.floor(draw() * MEETINGS.length)]!;
  const wanted = run.mean + (wait?.mean ?? draw() * (threads - run.mean));
  const busy = Math.min(1, Math.max(BUSY_MIN, wanted / threads));
  // What does not sleep may still block where its threads meet.
  const sleeps = busy < ALWAYS_BUSY && (meeting === "compute" || meeting === "spin-barrier" || draw() < 0.5);
  const burstNs = logUniform(BURST_NS, draw());
  const together = draw() < 0.5;
  const stretched = burstNs * (run.mean === 0 ? 1 : wanted / run.mean);
  return {
    meeting,
    threads,
    workNs: logUniform(WORK_NS, draw()),
    intensity: logUniform(INTENSITY, draw()),
    faultPart: logUniform(FAULT_PART, draw()),
    burst: sleeps ? { workNs: burstNs, sleepNs: (stretched * (1 - busy)) / busy, together } : null,
    kernelPart: kernelPartOf(inKernel, draw(), draw()),
    // Siblings that never run together are a case of their own: one runs only when the other does not.
    stacking: draw() < 0.5 ? 1 : atLeast(stacking?.mean ?? 0, draw()),
  };
}

/** None, what the record says if threads never met, or any. */
function kernelPartOf(inKernel: RecordedDomain["inKernel"], kind: number, u: number): number {
  if (kind < NO_KERNEL_CHANCE) return 0;
  return kind < RECORDED_KERNEL_BELOW && inKernel !== null ? inKernel.mean : u;
}

/** Sums of a second say how far siblings were kept apart at least. */
function atLeast(least: number, u: number): number {
  return least + u * (1 - least);
}

/** Another model of the same kind. How much work there is, is searched. */
export function nearby(model: DomainModel, key: number): DomainModel {
  const draw = stream(key);
  const by = (value: number) => value * Math.exp(NEARBY * (2 * draw() - 1));
  const { burst } = model;
  return {
    ...model,
    intensity: within(INTENSITY, by(model.intensity)),
    faultPart: within(FAULT_PART, by(model.faultPart)),
    kernelPart: Math.min(1, by(model.kernelPart)),
    burst:
      burst === null
        ? null
        : { ...burst, workNs: within(BURST_NS, by(burst.workNs)), sleepNs: by(burst.sleepNs) },
  };
}

/** To half of it and to twice. */
const NEARBY = Math.LN2;

export function stream(key: number): () => number {
  let n = 0;
  return () => uniform(bits(key, n++));
}

function logUniform([low, high]: Range, u: number): number {
  return low * (high / low) ** u;
}

function within([low, high]: Range, value: number): number {
  return Math.min(high, Math.max(low, value));
}
