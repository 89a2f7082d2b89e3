/** The simulator's benchmark as lines for a terminal. */
import type { BenchSimResult } from "./bench_sim.ts";

export function renderSimBench({ small, full }: BenchSimResult): string[] {
  return [
    "Millions of events per second of processor time, medians",
    "The small model (lock sections between barriers), beside its C++ twin on the same events",
    ...small.map(({ sections, vbal, cxx }) => {
      const twin =
        cxx === null ? "no C++ compiler" : `C++ ${millions(cxx)}  ratio ${(vbal / cxx).toFixed(2)}`;
      return `  ${String(sections).padStart(5)}  vbal ${millions(vbal)}  ${twin}`;
    }),
    "The full model",
    ...full.map(
      ({ pcpus, guests, vcpus, scheduler, eventsPerSecond }) =>
        `  ${String(pcpus).padStart(3)} pCPUs  ${guests} x ${vcpus} vCPUs  ${scheduler.padEnd(12)} ${millions(eventsPerSecond)}`,
    ),
  ];
}

function millions(rate: number): string {
  return (rate / 1e6).toFixed(2).padStart(6);
}
