/** A domain's model as a workload of the simulator: one of the library's, for ever, with sleeps between bursts. */
import { LIBRARY } from "../../sim/workload/library/library.ts";
import { valuesOf } from "../../sim/workload/library/library_workload.ts";
import type { Duration, Step, TaskConfig, Workload } from "../../sim/workload/program.ts";
import type { Burst, DomainModel } from "./model.ts";

export function workloadOf(
  { meeting, threads: modelled, workNs, intensity, faultPart, kernelPart, burst }: DomainModel,
  threads: number,
): Workload {
  const known = LIBRARY.find(({ name }) => name === meeting)!;
  const workload = known.build({ threads, scale: 1, values: valuesOf(known, parameters()) });
  return {
    ...workload,
    barriers: { ...workload.barriers, [REST]: { parties: threads, spin: 0 } },
    tasks: workload.tasks.map((task) => endless(task)),
  };

  function parameters(): Record<string, number> {
    switch (meeting) {
      case "compute":
      case "spin-barrier":
      case "futex-barrier":
        return { work: workNs };
      case "spinlock":
        return { work: (1 - intensity) * workNs, held: intensity * workNs };
      case "mm":
        // What a meeting costs does not scale with it.
        return { work: (1 - faultPart) * workNs, faultWork: faultPart * workNs, unmapChance: intensity };
    }
  }

  function endless(task: TaskConfig): TaskConfig {
    return {
      ...task,
      program: task.program.map(
        (step): Step =>
          step.do === "repeat" ? { do: "repeat", body: inBursts(partlyInKernel(step.body)) } : step,
      ),
    };
  }

  /** What is no meeting and no page fault may be work for the kernel just as well. */
  function partlyInKernel(piece: readonly Step[]): readonly Step[] {
    if (kernelPart === 0) return piece;
    return piece.flatMap((step): readonly Step[] =>
      step.do !== "compute" || step.mode === "kernel"
        ? [step]
        : [
            { ...step, time: times(step.time, 1 - kernelPart) },
            { ...step, time: times(step.time, kernelPart), mode: "kernel" },
          ],
    );
  }

  function inBursts(piece: readonly Step[]): readonly Step[] {
    if (burst === null) return piece;
    return burst.together ? restTogether(piece, burst) : [...piece, restAlone(burst)];
  }

  /** All wait for the last one, so that nobody sleeps while another works; fewer threads do the same work in all before they rest. */
  function restTogether(piece: readonly Step[], { workNs: burstNs, sleepNs }: Burst): readonly Step[] {
    const ownNs = (burstNs * modelled) / threads;
    const times = Math.max(1, Math.round(ownNs / workNs));
    const mean = Math.max(1, Math.round((sleepNs * times * workNs) / ownNs));
    return [
      { do: "repeat", times, body: piece },
      { do: "barrier", barrier: REST },
      { do: "sleep", time: { mean, cv: 0 } },
    ];
  }

  /** On average once per burst, whatever a piece of work is; pieces longer than a burst sleep longer. */
  function restAlone({ workNs: burstNs, sleepNs }: Burst): Step {
    const chance = workNs / burstNs;
    const mean = Math.max(1, Math.round(sleepNs * Math.max(1, chance)));
    return { do: "chance", probability: Math.min(1, chance), body: [{ do: "sleep", time: { mean, cv: 1 } }] };
  }
}

const REST = "rest";

function times(time: Duration, factor: number): Duration {
  const by = (value: number) => Math.round(factor * value);
  if (typeof time === "number") return by(time);
  return "mean" in time ? { ...time, mean: by(time.mean) } : { low: by(time.low), high: by(time.high) };
}
