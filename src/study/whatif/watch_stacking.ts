/** Sees of a simulated host what a daemon sees of a real one: how far each domain's vCPUs are kept from running together. */
import { stackingOf } from "../../core/stacking.ts";
import type { Control, Controller } from "../../sim/host/control.ts";
import type { World } from "../../sim/world.ts";
import { STRETCH_NS } from "./layouts.ts";

export interface StackingWatch {
  readonly controller: Controller;
  /** The mean over all looks at the domain, 0 to 1; `null` where there was nothing to see. */
  stacking(domain: number): number | null;
}

/** A look at the end of every stretch, before vCPUs are moved. */
const BEFORE_NS = 1_000;
/** A domain that ran less is not looked at: a tenth of a pCPU. */
const RAN_PART_MIN = 0.1;
const TIMER = 0;

/** vCPUs that a policy leaves unused do not count: `used` says how many do, from the first on. */
export function watchStacking(world: World, used: readonly number[]): StackingWatch {
  const before = used.map((vcpus) => new Float64Array(vcpus));
  const sums = used.map(() => ({ looks: 0, stacking: 0 }));
  return {
    controller: {
      start: (control) => control.arm(TIMER, STRETCH_NS - BEFORE_NS),
      onTimer(control) {
        for (let d = 0; d < used.length; d++) look(control, d);
        control.arm(TIMER, control.now() + STRETCH_NS);
      },
    },
    stacking: (domain) => {
      const { looks, stacking } = sums[domain]!;
      return looks === 0 ? null : stacking / looks;
    },
  };

  function look(control: Control, d: number): void {
    const seen = Array.from({ length: used[d]! }, (_, v) => {
      const total = control.ranOf(d, v);
      const ran = total - before[d]![v]!;
      before[d]![v] = total;
      return { ran, pcpu: world.vcpus.lastPcpu[world.domains.firstVcpu[d]! + v]! };
    });
    const stacking = stackingOf(seen, RAN_PART_MIN * STRETCH_NS);
    if (stacking === null) return;
    sums[d]!.looks++;
    sums[d]!.stacking += stacking;
  }
}
