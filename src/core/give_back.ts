/**
 * Give-back: when a domain no longer needs its last vCPU. Growing is at once, shrinking is slow.
 *
 * The host measures the use itself; a guest's word is not asked for. A vCPU goes back only when both hold without
 * interruption for the whole dwell:
 * - the domain would fit its other vCPUs with `ROOM` to spare;
 * - it uses clearly less than it did when it asked for this vCPU with one vCPU fewer. That line moves with the guest:
 *   a steady load just above a threshold asks once and then never falls below its own line, at any size of guest
 *   (pitfall 10: a margin relative to size makes large guests oscillate).
 * Where a load defeats both, a regret doubles the dwell: a domain that asks soon after it gave back has to be quiet
 * twice as long the next time, so that the number of changes grows only with the logarithm of time.
 * An absent reading is no reading: the dwell starts anew (pitfall 8).
 */
import { MILLI_PER_PCPU, type MilliPcpu, type Milliseconds } from "./units.ts";

/** The memory after one more look at the use; `givesBack` when the last vCPU may go now. */
export function judgeUse(before: UseMemory, look: UseLook): { memory: UseMemory; givesBack: boolean } {
  const { usage, now } = look;
  if (usage === null || releaseLine(before, look) < usage) {
    return { memory: { ...before, quietSince: null }, givesBack: false };
  }
  const quietSince = before.quietSince ?? now;
  if (now - quietSince < before.dwell) return { memory: { ...before, quietSince }, givesBack: false };
  return { memory: { ...withoutLast(before, look), gaveBackAt: now }, givesBack: true };
}

/** The memory after the last vCPU went. */
export function withoutLast(before: UseMemory, { vcpus }: Pick<UseLook, "vcpus">): UseMemory {
  return { ...before, climbs: before.climbs.filter(({ from }) => from < vcpus - 1), quietSince: null };
}

/** The memory after a request for one more was granted. */
export function rememberGrowth(before: UseMemory, look: UseLook): UseMemory {
  const { usage, vcpus, now } = look;
  const regrets = before.gaveBackAt !== null && now - before.gaveBackAt < REGRET_MS;
  const climbs = before.climbs.filter(({ from }) => from < vcpus);
  return {
    climbs: usage === null ? climbs : [...climbs, { from: vcpus, usage }],
    quietSince: null,
    dwell: regrets ? Math.min(before.dwell * 2, DWELL_MAX_MS) : DWELL_MS,
    gaveBackAt: null,
  };
}

export const NO_USE_YET: UseMemory = { climbs: [], quietSince: null, dwell: 20_000, gaveBackAt: null };

/** Quiet for this long before a vCPU goes: bursts of a build or a query come again sooner than that. */
export const DWELL_MS: Milliseconds = NO_USE_YET.dwell;
/** A load that comes back hourly is served by loans; beyond that, waiting would only waste. */
export const DWELL_MAX_MS: Milliseconds = 3_600_000;
/** Asking again this soon after giving back means that it was wrong. */
export const REGRET_MS: Milliseconds = 600_000;
/** What stays free on the other vCPUs: half of one, so that they are not at once too few again. */
const ROOM: MilliPcpu = 500;

export interface UseMemory {
  /** For each number of vCPUs from which it asked for one more, ascending: what it used then. */
  readonly climbs: readonly { readonly from: number; readonly usage: MilliPcpu }[];
  readonly quietSince: Milliseconds | null;
  readonly dwell: Milliseconds;
  readonly gaveBackAt: Milliseconds | null;
}

export interface UseLook {
  /** pCPU time it used of late, measured by the host; `null` when it could not be read. */
  readonly usage: MilliPcpu | null;
  /** How many vCPUs it has. */
  readonly vcpus: number;
  readonly now: Milliseconds;
}

/** At or below it, the last vCPU is not needed. */
export function releaseLine({ climbs }: UseMemory, { vcpus }: Pick<UseLook, "vcpus">): MilliPcpu {
  const fits = (vcpus - 1) * MILLI_PER_PCPU - ROOM;
  const climb = climbs.find(({ from }) => from === vcpus - 1);
  if (climb === undefined) return fits;
  // Clearly less: half a vCPU, or a quarter where that is less, since a guest of one vCPU may ask at a low use.
  return Math.min(fits, climb.usage - Math.min(ROOM, Math.ceil(climb.usage / 4)));
}
