/**
 * The detection loop of FIG. 4 (P-19..P-24): first the vCPUs' measures, then the nodes', then the VM's; the first
 * level at which a measure exceeds its threshold makes the request. "Exceeds" is strictly greater (P-68).
 *
 * One look proves nothing (pitfall 11). A measure must exceed in every sample for `sustainMs`, two samples at least, and
 * meanwhile somebody must wait for the subject's vCPUs, as another counter of the kernel tells.
 */
import { chooseNode } from "./choose_node.ts";
import { LEVELS, type Level } from "./measure.ts";
import { type Measured, subjectsOf } from "./measured.ts";
import type { Thresholds } from "./thresholds.ts";
import { atLeast, type VcpuLoad } from "./vcpu_load.ts";

/** Asks again at each sample while the load lasts: whoever sends requests knows which one is under way. */
export function detect(detector: Detector, sample: LoadSample, settings: DetectionSettings): Detected {
  const startMs = sample.atMs - sample.intervalMs;
  // After a gap, as when the guest was paused, nothing is known to have lasted.
  const before = startMs - detector.atMs <= GAP_MAX_MS ? detector.exceeding : NOTHING_EXCEEDS;
  const exceeding = new Map<string, Exceeding>();
  const sustained: Candidate[] = [];
  for (const measured of sample.measured) {
    const { measure, subject, reading } = measured;
    const threshold = settings.thresholds.get(measure.id)?.value ?? null;
    const value = atLeast(reading);
    if (threshold === null || value <= threshold) continue;
    if (!isCorroborated(measured, sample.vcpus, settings.waitingMin)) continue;
    const key = `${measure.id} ${subject}`;
    const since = before.get(key) ?? { sinceMs: startMs, samples: 0 };
    const now: Exceeding = { sinceMs: since.sinceMs, samples: since.samples + 1 };
    exceeding.set(key, now);
    if (SAMPLES_MIN <= now.samples && settings.sustainMs <= sample.atMs - now.sinceMs) {
      sustained.push({ measured, value, threshold });
    }
  }
  return { detector: { atMs: sample.atMs, exceeding }, request: requestOf(sustained, sample.vcpus) };
}

export interface Detector {
  /** When the last sample ended. */
  readonly atMs: number;
  readonly exceeding: ReadonlyMap<string, Exceeding>;
}

interface Exceeding {
  readonly sinceMs: number;
  readonly samples: number;
}

const NOTHING_EXCEEDS: ReadonlyMap<string, Exceeding> = new Map();

export const DETECTOR_START: Detector = { atMs: Number.NEGATIVE_INFINITY, exceeding: NOTHING_EXCEEDS };

export interface LoadSample {
  readonly atMs: number;
  readonly intervalMs: number;
  readonly vcpus: readonly VcpuLoad[];
  /** Measures and combinations. */
  readonly measured: readonly Measured[];
}

export interface DetectionSettings {
  readonly thresholds: Thresholds;
  /** How long a measure must have exceeded, the first sample's interval included. */
  readonly sustainMs: number;
  /** Threads that must wait on average for the subject's vCPUs, all together; `null` asks for no corroboration. */
  readonly waitingMin: number | null;
}

/** One second of overload is not enough; three seconds after its onset the request should be out. */
export const SUSTAIN_DEFAULT_MS = 1_500;
/** A fifth of a thread: ten times what the monitor itself makes others wait. */
export const WAITING_MIN_DEFAULT = 0.2;

export interface Detected {
  readonly detector: Detector;
  readonly request: Request | null;
}

/** What the guest asks the host for: one vCPU more, and why. */
export interface Request {
  readonly origin: "monitor" | "administrator";
  readonly measure: string;
  readonly level: Level;
  /** The vCPU or node that is short; `null` is the VM. */
  readonly subject: number | null;
  readonly value: number;
  readonly threshold: number;
  /** The virtual NUMA node that the vCPU should be in; `null` leaves it to the host. */
  readonly node: number | null;
}

const SAMPLES_MIN = 2;
/** Samples are a second apart, or a few on a guest that is starved. */
const GAP_MAX_MS = 5_000;

interface Candidate {
  readonly measured: Measured;
  readonly value: number;
  readonly threshold: number;
}

function isCorroborated(
  { measure, subject }: Measured,
  vcpus: readonly VcpuLoad[],
  waitingMin: number | null,
): boolean {
  if (waitingMin === null) return true;
  const members = subjectsOf(measure.level, vcpus).find((each) => each.subject === subject)?.vcpus ?? [];
  // Absent is not waiting: without the counter there is no corroboration, hence no request.
  return waitingMin <= members.reduce((sum, { waiting }) => sum + (waiting ?? 0), 0);
}

/** Of the first level in FIG. 4's order that has a candidate, the one that exceeds most; the first of equals. */
function requestOf(candidates: readonly Candidate[], vcpus: readonly VcpuLoad[]): Request | null {
  for (const level of LEVELS) {
    let worst: Candidate | null = null;
    for (const candidate of candidates) {
      if (candidate.measured.measure.level !== level) continue;
      if (worst === null || excess(worst) < excess(candidate)) worst = candidate;
    }
    if (worst === null) continue;
    const { measured, value, threshold } = worst;
    const { measure, subject } = measured;
    const node = chooseNode(level, subject, vcpus);
    return { origin: "monitor", measure: measure.id, level, subject, value, threshold, node };
  }
  return null;
}

function excess({ value, threshold }: Candidate): number {
  return threshold === 0 ? Number.MAX_VALUE : value / threshold;
}
