/**
 * vScale (L. Cheng, J. Rao, F. C. M. Lau, EuroSys'16): each domain has as many vCPUs as the pCPU time that it could
 * obtain now can keep running. Every 10 ms the host computes that for all domains, their extendability, and each guest
 * freezes or unfreezes vCPUs to fit.
 *
 * Algorithm 1. A domain's fair share is its weight's part of what the pool offers in a period. Who used less is a
 * releaser: it may extend to its fair share, and what it leaves goes to the pool's slack. The others compete for the
 * slack, by weight, on top of their fair shares. The count is rounded up: the last vCPU may own a pCPU in part.
 *
 * Example, 4 pCPUs, three domains of equal weight that used 0.3, 2 and 1.7 pCPUs: the fair share is 4/3; the first
 * releases 31/30; each of the others may extend to 4/3 + 31/60, 1.85 pCPUs, so 2 vCPUs; the first to 2 as well.
 *
 * Unlike the paper: extendability is bounded by the cap. Domains with one vCPU count in the division and keep it. Goes
 * with credit and `weightPer: domain`, which vScale introduced so that frozen vCPUs do not cost a domain its share.
 */
import type { Control, Controller } from "../host/control.ts";
import { VSCALE_PERIOD } from "../machine/constants.ts";
import { setOnlineCount } from "./online_count.ts";

export interface VscaleConfig {
  readonly kind: "vscale";
  /** Default 10 ms. */
  readonly period?: number;
}

export interface Consumption {
  readonly weight: number;
  /** pCPU time used in the period. */
  readonly used: number;
  /** Thousandths of a pCPU; 0 for none. */
  readonly cap?: number;
}

/** What each domain could obtain in a period of a pool of `pcpus`: Algorithm 1. */
export function extendability(
  domains: readonly Consumption[],
  { pcpus, period }: { pcpus: number; period: number },
): number[] {
  const weights = domains.reduce((sum, each) => sum + each.weight, 0);
  const fair = domains.map(({ weight }) => (weight / weights) * pcpus * period);
  const competes = domains.map(({ used }, i) => fair[i] <= used);
  let slack = 0;
  let competing = 0;
  domains.forEach(({ weight, used }, i) => {
    if (competes[i]) competing += weight;
    else slack += fair[i] - used;
  });
  return domains.map(({ weight, cap = 0 }, i) => {
    const most = cap > 0 ? (cap * period) / 1000 : Number.POSITIVE_INFINITY;
    return Math.min(most, competes[i] ? fair[i] + (weight / competing) * slack : fair[i]);
  });
}

/** The vCPUs that this much time can keep running; a hair more than a whole number is that number. */
export function vcpusFor(time: number, { period, vcpus }: { period: number; vcpus: number }): number {
  return Math.max(1, Math.min(vcpus, Math.ceil(time / period - 1e-9)));
}

export function vscale(config: VscaleConfig): Controller {
  const period = config.period ?? VSCALE_PERIOD;
  const before: number[] = [];
  const ranOf = (control: Control, d: number): number => {
    let ran = 0;
    for (let i = 0; i < control.vcpusOf(d); i++) ran += control.ranOf(d, i);
    return ran;
  };
  return {
    start(control) {
      control.domains.forEach((_, d) => {
        before.push(ranOf(control, d));
      });
      control.arm(0, period);
    },
    onTimer(control) {
      const used = control.domains.map((_, d) => {
        const ran = ranOf(control, d);
        const inPeriod = ran - before[d];
        before[d] = ran;
        return { weight: control.weightOf(d), cap: control.capOf(d), used: inPeriod };
      });
      extendability(used, { pcpus: control.pcpus, period }).forEach((time, d) => {
        const count = vcpusFor(time, { period, vcpus: control.vcpusOf(d) });
        setOnlineCount(control, d, { count, mechanism: "isolate" });
      });
      control.arm(0, control.now() + period);
    },
  };
}
