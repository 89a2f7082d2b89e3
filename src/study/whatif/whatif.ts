/**
 * What each policy would give each domain of a recorded host: models that behave as the record does are run under every policy,
 * each with the same work; the answers' median is the prediction, and their 2.5th and 97.5th percentile its interval. The interval
 * therefore spans what the record leaves open, not only chance.
 */
import { adjust, surplusOf, workingError } from "./adjust.ts";
import { assumptionsOf } from "./assumptions.ts";
import { DRAWS, type Fit, fitModels } from "./fit.ts";
import type { Meeting } from "./model.ts";
import { placementsUnder, WHATIF_POLICIES, type WhatIfPolicy } from "./policies.ts";
import type { Recording } from "./recording.ts";
import { type Outcome, runModel, type ThreadRule } from "./world.ts";

export interface WhatIf {
  readonly record: {
    readonly seconds: number;
    readonly journalSeconds: number;
    readonly fromMs: number;
    readonly pcpus: number;
    readonly underVbal: boolean;
    readonly source: Recording["source"];
    readonly domains: readonly RecordedUse[];
  };
  readonly models: {
    readonly tried: number;
    /** Within the tolerance of the record; below `used`, the closest were taken all the same. */
    readonly close: number;
    readonly used: number;
    /** How many of those used meet in which way: what the record cannot tell apart. */
    readonly meetings: Readonly<Record<string, Readonly<Partial<Record<Meeting, number>>>>>;
  };
  readonly policies: readonly PolicyAnswer[];
  readonly assumptions: readonly string[];
  readonly gaps: readonly string[];
  readonly summary: string;
}

export interface RecordedUse {
  readonly domain: string;
  readonly vcpus: number;
  readonly online: number;
  readonly runPcpus: number;
  readonly waitPcpus: number | null;
  readonly switchesPerVcpu: number | null;
  readonly dispatchesPerVcpu: number | null;
  readonly interruptsPerVcpu: number | null;
  /** Of looks at its vCPUs on a pCPU, the part that found one spinning. */
  readonly spinningPart: number | null;
  /** Of the time in which its vCPUs ran, by its guest's own account, the part in its kernel. */
  readonly inKernelPart: number | null;
  /** How far its vCPUs were kept from running together, at least: 0 to 1. */
  readonly stackingPart: number | null;
}

export interface PolicyAnswer {
  readonly policy: WhatIfPolicy;
  readonly domains: readonly DomainAnswer[];
}

export interface DomainAnswer {
  readonly domain: string;
  readonly vcpus: number;
  /** 1: as recorded. */
  readonly throughput: Predicted;
  /** In pCPUs. */
  readonly pcpus: Predicted;
  /** Of the time in which its vCPUs wanted a pCPU, the part in which they had none. */
  readonly waitShare: Predicted;
}

export interface Predicted {
  readonly value: number;
  readonly ci95: readonly [low: number, high: number];
}

export interface WhatIfOptions {
  readonly threads?: ThreadRule;
  readonly draws?: number;
  /** How long a model runs; a second when absent. */
  readonly simulatedNs?: number;
  readonly onProgress?: (done: number, of: number) => void;
}

/** Pure: equal recordings give equal answers. */
export function whatIf(recording: Recording, options: WhatIfOptions = {}): WhatIf {
  const { threads = "follow", draws = DRAWS, simulatedNs, onProgress = () => {} } = options;
  const fit = fitModels(recording, { threads, draws, simulatedNs, onProgress });
  const policies = WHATIF_POLICIES.map((policy) =>
    answerOf(policy, { recording, threads, simulatedNs, fit }),
  );
  const models = {
    tried: fit.tried,
    close: fit.close,
    used: Math.min(...fit.kept.map((own) => own.length)),
    meetings: Object.fromEntries(recording.domains.map(({ id }, d) => [id, countMeetings(fit, d)] as const)),
  };
  const { seconds, journalSeconds, fromMs, pcpus, underVbal, source, gaps } = recording;
  return {
    record: {
      seconds,
      journalSeconds,
      fromMs,
      pcpus: pcpus.length,
      underVbal,
      source,
      domains: recording.domains.map(({ id, vcpus, online, run, wait, ...rates }) => ({
        domain: id,
        vcpus,
        online,
        runPcpus: run.mean,
        waitPcpus: wait?.mean ?? null,
        switchesPerVcpu: rates.switches?.mean ?? null,
        dispatchesPerVcpu: rates.dispatches?.mean ?? null,
        interruptsPerVcpu: rates.interrupts?.mean ?? null,
        spinningPart: rates.spinning?.mean ?? null,
        inKernelPart: rates.inKernel?.mean ?? null,
        stackingPart: rates.stacking?.mean ?? null,
      })),
    },
    models,
    policies,
    assumptions: assumptionsOf(recording, threads),
    gaps,
    summary: summaryOf(policies, models),
  };
}

function answerOf(
  policy: WhatIfPolicy,
  {
    recording,
    threads,
    simulatedNs,
    fit: { models, kept },
  }: {
    readonly recording: Recording;
    readonly threads: ThreadRule;
    readonly simulatedNs: number | undefined;
    readonly fit: Fit;
  },
): PolicyAnswer {
  const placements = placementsUnder(policy, recording);
  const isAsRecorded = JSON.stringify(placements) === JSON.stringify(placementsUnder("recorded", recording));
  const runs = models.map(({ model, replication, recorded }) =>
    isAsRecorded ? recorded : runModel({ recording, model, placements, threads, replication, simulatedNs }),
  );
  const throughputOf = (d: number): Predicted => {
    const domain = recording.domains[d]!;
    const { answers, slope } = adjust(
      kept[d]!.map(({ model, weight }) => {
        const recorded = models[model]!.recorded[d]!;
        const value = runs[model]![d]!.rate / recorded.rate;
        return { value, weight, surplus: surplusOf(domain, recorded) };
      }),
    );
    return widened(predicted(answers), NORMAL_975 * Math.abs(slope) * workingError(domain));
  };
  return {
    policy,
    domains: recording.domains.map(({ id }, d): DomainAnswer => {
      const of = (value: (outcome: Outcome, m: number) => number) =>
        predicted(kept[d]!.map(({ model, weight }) => ({ value: value(runs[model]![d]!, model), weight })));
      return {
        domain: id,
        vcpus: placements[d]!.vcpus,
        throughput: isAsRecorded ? AS_RECORDED : throughputOf(d),
        pcpus: of(({ run }) => run),
        waitShare: of(({ run, wait }) => (run + wait === 0 ? 0 : wait / (run + wait))),
      };
    }),
  };
}

/** What the record itself leaves uncertain comes from elsewhere than what it leaves open, so squares add. `by`: of the logarithm. */
function widened({ value, ci95 }: Predicted, by: number): Predicted {
  if (by === 0) return { value, ci95 };
  const reach = (end: number) => Math.exp(Math.hypot(Math.log(end / value), by));
  return { value, ci95: [value / reach(ci95[0]), value * reach(ci95[1])] };
}

const NORMAL_975 = 1.96;
const AS_RECORDED: Predicted = { value: 1, ci95: [1, 1] };

/** A model in which nothing was finished, before or after, says nothing. All others span the interval, however little they weigh. */
function predicted(answers: readonly { readonly value: number; readonly weight: number }[]): Predicted {
  const sorted = answers.filter(({ value }) => Number.isFinite(value)).sort((a, b) => a.value - b.value);
  if (sorted.length === 0) return { value: Number.NaN, ci95: [Number.NaN, Number.NaN] };
  const at = (part: number) => {
    const place = part * (sorted.length - 1);
    const low = Math.floor(place);
    const next = sorted[Math.min(sorted.length - 1, low + 1)]!.value;
    return sorted[low]!.value + (place - low) * (next - sorted[low]!.value);
  };
  return { value: weightedMedian(sorted), ci95: [at(0.025), at(0.975)] };
}

/** Where half of the weight is reached, between the middles of those on either side. Ascending. */
function weightedMedian(sorted: readonly { readonly value: number; readonly weight: number }[]): number {
  const half = sorted.reduce((total, { weight }) => total + weight, 0) / 2;
  let before = 0;
  let last: { readonly at: number; readonly value: number } | null = null;
  for (const { value, weight } of sorted) {
    const at = before + weight / 2;
    if (half <= at) {
      return last === null ? value : last.value + ((half - last.at) / (at - last.at)) * (value - last.value);
    }
    last = { at, value };
    before += weight;
  }
  return sorted.at(-1)!.value;
}

function countMeetings({ models, kept }: Fit, d: number): Partial<Record<Meeting, number>> {
  const counts: Partial<Record<Meeting, number>> = {};
  for (const { model } of kept[d]!) {
    const { meeting } = models[model]!.model.domains[d]!;
    counts[meeting] = (counts[meeting] ?? 0) + 1;
  }
  return counts;
}

/** Beyond this factor between the interval's ends, a prediction is a direction at best. */
const WIDE = 1.5;

function summaryOf(policies: readonly PolicyAnswer[], models: WhatIf["models"]): string {
  const strict = policies.find(({ policy }) => policy === "vbal strict")!.domains;
  const better = strict.filter(({ throughput }) => 1.02 < throughput.ci95[0]).length;
  const worse = strict.filter(({ throughput }) => throughput.ci95[1] < 0.98).length;
  const open = strict.length - better - worse;
  const wide = strict.some(({ throughput: { ci95 } }) => WIDE * ci95[0] < ci95[1]);
  const parts = [
    ...(better === 0 ? [] : [`${better} would get more done`]),
    ...(worse === 0 ? [] : [`${worse} less`]),
    ...(open === 0 ? [] : [`for ${open} the record does not decide`]),
  ];
  const fits =
    models.close < models.used
      ? ` Only ${models.close} of ${models.tried} models behave as the record does: take the numbers as a guess.`
      : "";
  const hint = wide
    ? " The intervals are wide because a record does not show how threads meet: try vbal on one domain, or measure."
    : "";
  return `Under vbal strict, of ${strict.length} domain${strict.length === 1 ? "" : "s"} ${parts.join(", ")}.${fits}${hint}`;
}
