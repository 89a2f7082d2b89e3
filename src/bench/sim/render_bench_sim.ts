/** The simulator's benchmark as lines for a terminal. */
import type { Interval } from "../statistics.ts";
import type { BenchSimResult } from "./bench_sim.ts";

export function renderSimBench({ smallRows, missing, sameDigests, full }: BenchSimResult): string[] {
  return [
    "Millions of events per second of processor time, medians with 95 % intervals",
    "The small model (lock sections between barriers), every engine on the same events",
    ...smallRows.map(
      ({ sections, engine, eventsPerSecond, ci95, vbalOver, vbalOverCi95 }) =>
        `  ${String(sections).padStart(5)}  ${engine.padEnd(6)} ${millions(eventsPerSecond, ci95)}${
          engine === "vbal" ? "" : `  vbal is ${times(vbalOver)} (${vbalOverCi95.map(times).join(" to ")})`
        }`,
    ),
    ...missing,
    ...(sameDigests === null
      ? []
      : [`C++ has our digest on all ${sameDigests.shapes} shapes with ${sameDigests.seeds} seeds each`]),
    "The full model",
    ...full.map(
      ({ pcpus, guests, vcpus, scheduler, eventsPerSecond, ci95 }) =>
        `  ${String(pcpus).padStart(3)} pCPUs  ${guests} x ${String(vcpus).padStart(3)} vCPUs  ${scheduler.padEnd(12)} ${millions(eventsPerSecond, ci95)}`,
    ),
  ];
}

function millions(rate: number, [low, high]: Interval): string {
  const short = (value: number): string => (value / 1e6).toFixed(2);
  return `${short(rate).padStart(6)} (${short(low)} to ${short(high)})`;
}

function times(ratio: number): string {
  return `${ratio < 10 ? ratio.toFixed(2) : ratio.toFixed(0)}x`;
}
