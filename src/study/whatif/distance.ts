/** How far a model is from what was recorded of a domain. */
import type { Observed, RecordedDomain } from "./recording.ts";
import type { Outcome } from "./world.ts";

/**
 * How far a simulated share may be from a recorded one, of a vCPU's time: what the simulator and a host's accounting differ by on
 * equal loads, set before any comparison. A rate, of switches, dispatches or interrupts, may be off by this factor: an emulator's own
 * locks put vCPUs to sleep that the guest keeps busy, and KVM polls for a moment before it lets one sleep.
 */
const SHARE_TOLERANCE = 0.05;
const RATE_TOLERANCE = Math.log(3);
/** Rarer dispatches are the host's housekeeping and the guest's timers, which no model has. Per second and vCPU. */
const DISPATCHES_MIN = 100;
/** Three times what a guest that computes shows: rarer ones are its kernel's own housekeeping. Per second and vCPU. */
const INTERRUPTS_MIN = 20;
/** A guest that computes showed 20 to 50: its kernel's own threads. Per second and vCPU. */
const SWITCHES_MIN = 100;
/** Looks come when an emulator lets others look, which is more often here than there. A part of the time that vCPUs run. */
const SPINNING_TOLERANCE = 0.1;
/** A guest books its time by what it finds at its ticks. */
const IN_KERNEL_TOLERANCE = 0.1;
/** Sums of a second say how far siblings were kept apart at least; a model may keep them further apart. */
const STACKING_TOLERANCE = 0.15;
/**
 * What is left to work is a rate like the others; less of it than this, or than the looks can tell, is not told from none. More looks are
 * no help: hundreds of them at a program that worked for one part in fifty found it at work by one in fifty to one in two hundred.
 */
const WORKING_MIN = 0.02;

/** In tolerances: 1 and less is close; what is not recorded is not compared. */
export function distanceOf(domain: RecordedDomain, outcome: Outcome): number {
  const { online, run, wait, switches, dispatches, interrupts, spinning, inKernel, stacking } = domain;
  const share = (seen: Observed | null, simulated: number) =>
    seen === null
      ? 0
      : Math.abs(simulated - seen.mean) / online / Math.hypot(SHARE_TOLERANCE, seen.error / online);
  const part = (seen: Observed | null, simulated: number, tolerance: number) =>
    seen === null ? 0 : Math.abs(simulated - seen.mean) / Math.hypot(tolerance, seen.error);
  const rate = (seen: Observed | null, simulated: number, least: number) => {
    if (seen === null) return 0;
    const recorded = Math.max(least, seen.mean);
    const tolerance = Math.hypot(RATE_TOLERANCE, seen.error / recorded);
    return Math.abs(Math.log(Math.max(least, simulated) / recorded)) / tolerance;
  };
  return Math.max(
    share(run, outcome.run),
    share(wait, outcome.wait),
    // A guest that counts no switch at all does not count them.
    switches?.mean === 0 ? 0 : rate(switches, outcome.switches, SWITCHES_MIN),
    rate(dispatches, outcome.dispatches, DISPATCHES_MIN),
    rate(interrupts, outcome.interrupts, INTERRUPTS_MIN),
    part(spinning, outcome.spinning, SPINNING_TOLERANCE),
    part(inKernel, within(outcome.inKernel, inKernel?.mean ?? 0), IN_KERNEL_TOLERANCE),
    stacking === null
      ? 0
      : part(stacking, Math.min(stacking.mean, outcome.stacking ?? stacking.mean), STACKING_TOLERANCE),
    // Of one that spins nearly all the time, how much it gains hangs on the little that is left.
    rate(
      spinning === null ? null : { ...spinning, mean: 1 - spinning.mean },
      1 - outcome.spinning,
      workingMin(domain),
    ),
  );
}

/** The part of their running time that vCPUs must have for work, so that looks tell it from none. */
export function workingMin({ spinning }: RecordedDomain): number {
  return Math.max(WORKING_MIN, spinning?.error ?? 0);
}

function within([least, most]: readonly [number, number], value: number): number {
  return Math.min(most, Math.max(least, value));
}
