/**
 * What a model that is only nearly right would answer if it were right in what most answers hang on: how much of a second a domain's
 * vCPUs had for its work, since they ran and did not spin. Models that are close differ there by a factor of two and more, and what
 * is done in the time that is left is divided by it. This is the local linear regression of approximate Bayesian computation
 * (Beaumont, Zhang, Balding, Genetics 162, 2002), with one regressor, on logarithms.
 */
import { workingMin } from "./distance.ts";
import type { RecordedDomain } from "./recording.ts";
import type { Outcome } from "./world.ts";

export interface Answer {
  readonly value: number;
  /** How much it counts. */
  readonly weight: number;
  /** Logarithm of the model's time for work over the record's. */
  readonly surplus: number;
}

export interface Adjusted<Kind extends Answer> {
  /** As they would be without surplus. */
  readonly answers: readonly Kind[];
  /** How far the logarithm of an answer moves with that of the time for work: 0 to -1. */
  readonly slope: number;
}

export function adjust<Kind extends Answer>(answers: readonly Kind[]): Adjusted<Kind> {
  const slope = slopeOf(answers.filter(({ value }) => 0 < value && Number.isFinite(value)));
  return {
    answers: answers.map((answer) => ({
      ...answer,
      value: answer.value * Math.exp(-slope * answer.surplus),
    })),
    slope,
  };
}

/**
 * Twice the time for work in the record halves what a policy adds to it, at most: where spinning ends under the policy. Where it goes
 * on, both change alike, and the answer stays as it is.
 */
function slopeOf(answers: readonly Answer[]): number {
  const total = sum(answers, () => 1);
  const meanSurplus = sum(answers, ({ surplus }) => surplus) / total;
  const variation = sum(answers, ({ surplus }) => (surplus - meanSurplus) ** 2);
  if (variation === 0 || total === 0) return 0;
  const covariation = sum(answers, ({ surplus, value }) => (surplus - meanSurplus) * Math.log(value));
  return Math.min(0, Math.max(-1, covariation / variation));
}

function sum(answers: readonly Answer[], of: (answer: Answer) => number): number {
  return answers.reduce((total, answer) => total + answer.weight * of(answer), 0);
}

/** Of one model. Without looks only running is compared. */
export function surplusOf(domain: RecordedDomain, { run, spinning }: Outcome): number {
  const ran = domain.run.mean === 0 || run === 0 ? 0 : Math.log(run / domain.run.mean);
  if (domain.spinning === null) return ran;
  const working = (part: number) => Math.max(workingMin(domain), 1 - part);
  return ran + Math.log(working(spinning) / working(domain.spinning.mean));
}

/** The standard error of the logarithm of the record's own time for work. */
export function workingError(domain: RecordedDomain): number {
  const { run, spinning } = domain;
  const ran = run.mean === 0 ? 0 : run.error / run.mean;
  if (spinning === null) return ran;
  return Math.hypot(ran, spinning.error / Math.max(workingMin(domain), 1 - spinning.mean));
}
