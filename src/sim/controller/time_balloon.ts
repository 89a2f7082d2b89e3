/**
 * Time ballooning (V. Uhlig, J. LeVasseur, E. Skoglund, U. Dannowski, "Towards Scalable Multiprocessor Virtual Machines",
 * VM'04): a guest's balancer takes its vCPUs for equally fast, though the host serves them unevenly. The host therefore
 * puts artificial load on the slower ones, and the guest itself moves its tasks to where they get most.
 *
 * With n tasks in all, and vCPU i receiving the share s_i of a pCPU, the balancer makes n_i + balloon_i equal for all i.
 * It should come to n_i in proportion to s_i; so balloon_i = n (s_max - s_i) / S, S being the sum of the shares. The
 * fastest has no balloon.
 *
 * Example, 6 tasks, shares 1 and 1/2: the slow one gets 6 * 0.5 / 1.5 = 2 artificial tasks; the balancer settles at 4
 * tasks, and 2 + 2.
 *
 * The formula is our derivation from the paper's aim; its interval is unverified. A share is taken of the time in which
 * the vCPU wanted to run. The balancer must count tasks (Linux of 2004, and the guest's periodic balance here).
 */
import type { Controller } from "../host/control.ts";
import { TIME_BALLOON_INTERVAL } from "../machine/constants.ts";

export interface TimeBalloonConfig {
  readonly kind: "time-balloon";
  readonly interval?: number;
  /** The names of the domains whose guests have one; default all. */
  readonly domains?: readonly string[];
}

/** Artificial tasks for each vCPU, given its share of a pCPU and how many real tasks the guest has. */
export function balloons(shares: readonly number[], tasks: number): number[] {
  const sum = shares.reduce((a, b) => a + b, 0);
  const most = Math.max(...shares);
  return shares.map((share) => (sum === 0 ? 0 : Math.round((tasks * (most - share)) / sum)));
}

export function timeBalloon(config: TimeBalloonConfig): Controller {
  const interval = config.interval ?? TIME_BALLOON_INTERVAL;
  const ran: number[][] = [];
  const waited: number[][] = [];
  return {
    start(control) {
      control.domains.forEach((_, d) => {
        ran.push(Array.from({ length: control.vcpusOf(d) }, () => 0));
        waited.push(Array.from({ length: control.vcpusOf(d) }, () => 0));
      });
      control.arm(0, interval);
    },
    onTimer(control) {
      control.arm(0, control.now() + interval);
      control.domains.forEach((name, d) => {
        if (config.domains !== undefined && !config.domains.includes(name)) return;
        const vcpus = Array.from({ length: control.vcpusOf(d) }, (_, i) => i).filter((i) =>
          control.isOnline(d, i),
        );
        const shares = vcpus.map((i) => {
          const ranNow = control.ranOf(d, i) - ran[d][i];
          const waitedNow = control.waitedOf(d, i) - waited[d][i];
          ran[d][i] += ranNow;
          waited[d][i] += waitedNow;
          // Who did not want to run could have.
          return ranNow + waitedNow === 0 ? 1 : ranNow / (ranNow + waitedNow);
        });
        const artificial = balloons(shares, control.runnableTasksOf(d));
        vcpus.forEach((i, n) => {
          control.setArtificialLoad(d, i, artificial[n]);
        });
      });
    },
  };
}
