/**
 * Lending on request: what a domain demonstrably does not use may go to another one that asks, at once.
 *
 * Give-back (give_back.ts) is slow, because nobody is in need of what it takes, and a wrong guess costs two changes for
 * nothing. When another domain asks and no pCPU is free, waiting has a price, too, and less evidence is enough:
 * - The lines are those of give-back: the domain would fit its other vCPUs with room to spare, and uses clearly less
 *   than when it asked for this vCPU. So a steady load that asked once is not lent from again (pitfall 10).
 * - Two looks in a row, and everything between them, are below the line. The guest that asks was asked for no less: its
 *   monitor wants two samples in a row (pitfall 11). Each look measures the second before it, so two of them are two
 *   seconds of which no part is counted twice. An absent reading is none (pitfall 8).
 * - One vCPU for each request (P-12), from whom it will be missed least: the fewest regrets, then the most unused.
 * - What was lent without asking the owner comes back whole with the owner's first request: it is a step that the host
 *   takes back, and not so many new vCPUs.
 * - An owner that asks back before give-back would have moved regrets it: it has to be quiet twice as long the next time.
 *   After a few such loads that is as long as give-back waits, and lending on request is no quicker. One loan that was
 *   right ends it.
 */
import { DWELL_MAX_MS, DWELL_MS, releaseLine, type UseMemory } from "./give_back.ts";
import type { DomainId, MilliPcpu, Milliseconds } from "./units.ts";

/** The best of those that may lend their last vCPU now; `undefined` when there is none. `candidates` are ordered by id. */
export function chooseLender(candidates: readonly LenderCandidate[]): LenderCandidate | undefined {
  const fit = candidates.filter((candidate) => {
    const peak = peakOf(candidate);
    return peak !== null && peak <= releaseLine(candidate.use, candidate);
  });
  const unused = (candidate: LenderCandidate) => candidate.vcpus * 1_000 - peakOf(candidate)!;
  return fit.toSorted((a, b) => a.lending.stretch - b.lending.stretch || unused(b) - unused(a))[0];
}

export interface LenderCandidate {
  readonly id: DomainId;
  readonly lending: Lending;
  readonly use: UseMemory;
  /** How many it has, and uses. */
  readonly vcpus: number;
  /** `false`: one look is enough. */
  readonly twoLooks: boolean;
}

/** The memory after one more look at the use; `null` where it could not be read, or says nothing. */
export function watchUse(before: Lending, usage: MilliPcpu | null, now: Milliseconds): Lending {
  if (usage === null) return before.watched === null ? before : { ...before, watched: null };
  const { watched, stretch } = before;
  if (watched === null) return { ...before, watched: { since: now, peak: usage, before: null } };
  const peak = Math.max(watched.peak, usage);
  if (now - watched.since < stretch) {
    return peak === watched.peak ? before : { ...before, watched: { ...watched, peak } };
  }
  return { ...before, watched: { since: now, peak: usage, before: watched.peak } };
}

/** The memory after its last vCPU was lent. `isOwn`: it was due that vCPU. */
export function rememberLoan(before: Lending, { quietSince, isOwn }: Loan): Lending {
  if (!isOwn) return before;
  const { vcpus, since } = before.lent ?? { vcpus: 0, since: quietSince };
  return { ...before, lent: { vcpus: vcpus + 1, since } };
}

/** The memory after the owner asked and has back what it lent. */
export function rememberReturn(before: Lending, now: Milliseconds): Lending {
  if (before.lent === null) return before;
  const regrets = now - before.lent.since < DWELL_MS;
  const stretch = regrets ? Math.min(before.stretch * 2, DWELL_MAX_MS) : LEND_STRETCH_MS;
  return { watched: null, stretch, lent: null };
}

/** The daemon looks once a second, and each look measures the second before it. */
export const LEND_STRETCH_MS: Milliseconds = 1_000;

export const NOTHING_LENT: Lending = { watched: null, stretch: LEND_STRETCH_MS, lent: null };

/** What lending on request has to know of a domain. */
export interface Lending {
  /** The highest use in the present stretch, and in the one before it; `null` before anything was read. */
  readonly watched: {
    readonly since: Milliseconds;
    readonly peak: MilliPcpu;
    readonly before: MilliPcpu | null;
  } | null;
  /** It has to be quiet for so long, and at the next look, too. */
  readonly stretch: Milliseconds;
  /** Of its own, lent to those who asked, and since when it had been quiet then. */
  readonly lent: { readonly vcpus: number; readonly since: Milliseconds } | null;
}

interface Loan {
  readonly quietSince: Milliseconds;
  readonly isOwn: boolean;
}

function peakOf({ lending: { watched }, twoLooks }: LenderCandidate): MilliPcpu | null {
  if (watched === null) return null;
  if (!twoLooks) return watched.peak;
  return watched.before === null ? null : Math.max(watched.peak, watched.before);
}
