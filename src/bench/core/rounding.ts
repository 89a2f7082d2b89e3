/** What the three roundings cost: how far from its entitlement a domain ends up, and what is left idle or shared. */
import { makePlan } from "../../core/make_plan.ts";
import type { Plan } from "../../core/plan.ts";
import type { Rounding } from "../../core/policy.ts";
import { MILLI_PER_PCPU } from "../../core/units.ts";
import { seeded } from "../seeded.ts";
import { randomWorld } from "./random_worlds.ts";

/** The same random hosts for each rounding: 12 pCPUs, 2 to 8 domains of 12 vCPUs at most. */
export function measureRounding({ seed, cases }: RoundingOptions): RoundingRow[] {
  return ROUNDINGS.map((rounding) => {
    const draw = seeded(seed);
    const plans = Array.from({ length: cases }, () => {
      const { policy, snapshot } = randomWorld(draw, { domains: 2 + draw(7), shape: HOST, vcpusMax: 12 });
      return makePlan({ ...policy, rounding }, snapshot);
    });
    const errors = plans.flatMap(errorsOf);
    return {
      rounding,
      cases,
      meanError: mean(errors),
      worstError: Math.max(...errors),
      runnableVcpus: mean(plans.map(({ domains }) => domains.reduce((sum, { target }) => sum + target, 0))),
      idlePcpus: mean(plans.map(({ idlePcpus }) => idlePcpus.length)),
      idleThoughWanted: mean(plans.map(idleThoughWanted)),
      sharingDomains: mean(
        plans.map(({ domains }) => domains.filter(({ sharesWith }) => 0 < sharesWith.length).length),
      ),
    };
  });
}

export interface RoundingOptions {
  readonly seed: number;
  readonly cases: number;
}

/** Means over cases, except the errors, which are over domains and in milli-pCPU. */
export interface RoundingRow {
  readonly rounding: Rounding;
  readonly cases: number;
  /** Distance between the entitlement and what a domain gets when every vCPU in use is busy. */
  readonly meanError: number;
  readonly worstError: number;
  readonly runnableVcpus: number;
  readonly idlePcpus: number;
  /** Idle pCPUs that a domain with further vCPUs could have used. */
  readonly idleThoughWanted: number;
  readonly sharingDomains: number;
}

const ROUNDINGS: readonly Rounding[] = ["floor", "ceil", "largest-remainder"];
const HOST = { pcpus: 12, perNode: 12, perLlc: 12, perCore: 1 } as const;

/** A shared pCPU is divided evenly among the vCPUs on it, as a host scheduler with equal weights would (B-20). */
function errorsOf({ domains }: Plan): number[] {
  const load = new Map<number, number>();
  for (const { vcpus } of domains) {
    for (const { online, pcpus } of vcpus) {
      if (online) load.set(pcpus[0]!, (load.get(pcpus[0]!) ?? 0) + 1);
    }
  }
  return domains.map(({ entitlement, vcpus }) => {
    const used = vcpus.filter(({ online }) => online);
    const received = used.reduce((sum, { pcpus }) => sum + MILLI_PER_PCPU / load.get(pcpus[0]!)!, 0);
    return Math.abs(received - entitlement);
  });
}

function idleThoughWanted({ domains, idlePcpus }: Plan): number {
  const wanted = domains.reduce((sum, { target, vcpus }) => sum + vcpus.length - target, 0);
  return Math.min(idlePcpus.length, wanted);
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
