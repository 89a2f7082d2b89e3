/** A domain's model as a workload of the simulator: one of the library's, for ever, with sleeps between bursts. */
import { LIBRARY } from "../../sim/workload/library/library.ts";
import { valuesOf } from "../../sim/workload/library/library_workload.ts";
import type { Step, TaskConfig, Workload } from "../../sim/workload/program.ts";
import type { DomainModel } from "./model.ts";

export function workloadOf({ meeting, workNs, intensity, burst }: DomainModel, threads: number): Workload {
  const known = LIBRARY.find(({ name }) => name === meeting)!;
  const workload = known.build({ threads, scale: 1, values: valuesOf(known, parameters()) });
  return { ...workload, tasks: workload.tasks.map((task) => endless(task)) };

  function parameters(): Record<string, number> {
    switch (meeting) {
      case "compute":
      case "spin-barrier":
      case "futex-barrier":
        return { work: workNs };
      case "spinlock":
        return { work: (1 - intensity) * workNs, held: intensity * workNs };
      case "mm":
        // The library's division of a piece between computing and faults; what a meeting costs does not scale with it.
        return { work: 0.875 * workNs, faultWork: 0.125 * workNs, unmapChance: intensity };
    }
  }

  function endless(task: TaskConfig): TaskConfig {
    return {
      ...task,
      program: task.program.map((step): Step => {
        if (step.do !== "repeat") return step;
        const rest: Step[] = burst === null ? [] : [sleeping(burst, workNs)];
        return { do: "repeat", body: [...step.body, ...rest] };
      }),
    };
  }
}

/** On average once per burst, whatever a piece of work is; pieces longer than a burst sleep longer. */
function sleeping(burst: NonNullable<DomainModel["burst"]>, workNs: number): Step {
  const chance = workNs / burst.workNs;
  const mean = Math.max(1, Math.round(burst.sleepNs * Math.max(1, chance)));
  return { do: "chance", probability: Math.min(1, chance), body: [{ do: "sleep", time: { mean, cv: 1 } }] };
}
