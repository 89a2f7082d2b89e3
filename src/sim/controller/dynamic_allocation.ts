/**
 * Dynamic allocation of vCPUs after G. Southern ("Symmetric Multiprocessing Virtualization", thesis, 2008) IN OUR
 * READING: only its aim could be read, that Xen should run synchronising multithreaded loads efficiently by giving them
 * fewer vCPUs. The rule below is ours, and so are its numbers (machine/constants.ts).
 *
 * Every epoch, each domain's entitlement is its part by weight of the pCPUs, no more than it demands (water-filling,
 * core/water_filling.ts). A domain that synchronises (which shows as interrupts between its vCPUs, or pause-loop exits)
 * has as many vCPUs as it is entitled to whole pCPUs; one that does not keeps as many as it can use. It shrinks at once,
 * and grows only after some epochs of slack.
 *
 * Example, 4 pCPUs, two equal domains that want 4 each: entitled to 2 each; the one that synchronises goes down to 2
 * vCPUs, the other keeps 4.
 */
import { waterFill } from "../../core/water_filling.ts";
import type { Control, Controller } from "../host/control.ts";
import { DYNAMIC_ALLOCATION } from "../machine/constants.ts";
import { onlineCount, setOnlineCount } from "./online_count.ts";

export interface DynamicAllocationConfig {
  readonly kind: "dynamic-allocation";
  readonly epoch?: number;
  readonly growAfter?: number;
  /** Signals per vCPU and second from which a domain synchronises; Infinity: none does. */
  readonly synchronises?: number;
}

export interface Demand {
  readonly weight: number;
  /** vCPUs that it could use. */
  readonly wanted: number;
  readonly synchronises: boolean;
}

/** How many vCPUs each domain should have on a host of `pcpus`. */
export function allocate(demands: readonly Demand[], pcpus: number): number[] {
  const entitled = waterFill(
    pcpus * 1000,
    demands.map(({ weight, wanted }) => ({ weight, floor: 0, ceiling: wanted * 1000 })),
  );
  return demands.map(({ wanted, synchronises }, i) =>
    Math.max(1, synchronises ? Math.floor(entitled[i] / 1000) : wanted),
  );
}

export function dynamicAllocation(config: DynamicAllocationConfig): Controller {
  const epoch = config.epoch ?? DYNAMIC_ALLOCATION.epoch;
  const growAfter = config.growAfter ?? DYNAMIC_ALLOCATION.growAfter;
  const threshold = config.synchronises ?? DYNAMIC_ALLOCATION.synchronises;
  const signals: number[] = [];
  const slackEpochs: number[] = [];
  /** Once seen to synchronise, a domain that was shrunk until it no longer shows is still one that does. */
  const synchronises: boolean[] = [];

  function demandOf(control: Control, d: number): Demand {
    const online = onlineCount(control, d);
    const rate = ((control.signalsOf(d) - signals[d]) * 1_000_000_000) / (epoch * online);
    signals[d] = control.signalsOf(d);
    if (threshold < rate) synchronises[d] = true;
    const wanted = Math.max(1, Math.min(control.vcpusOf(d), control.runnableTasksOf(d)));
    return { weight: control.weightOf(d), wanted, synchronises: synchronises[d] };
  }

  return {
    start(control) {
      control.domains.forEach((_, d) => {
        signals.push(control.signalsOf(d));
        slackEpochs.push(0);
        synchronises.push(false);
      });
      control.arm(0, epoch);
    },
    onTimer(control) {
      const demands = control.domains.map((_, d) => demandOf(control, d));
      allocate(demands, control.pcpus).forEach((target, d) => {
        const online = onlineCount(control, d);
        slackEpochs[d] = online < target ? slackEpochs[d] + 1 : 0;
        const isRipe = growAfter <= slackEpochs[d];
        if (demands[d].synchronises && (target < online || isRipe))
          setOnlineCount(control, d, { count: target, mechanism: "offline" });
        else if (!demands[d].synchronises && online < control.vcpusOf(d) && isRipe)
          setOnlineCount(control, d, { count: control.vcpusOf(d), mechanism: "offline" });
      });
      control.arm(0, control.now() + epoch);
    },
  };
}
