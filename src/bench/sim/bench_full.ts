/** The full model: two guests with as many vCPUs each as the host has pCPUs, from 12 to 512. */
import type { SimulationConfig } from "../../sim/config.ts";
import { runSimulation } from "../../sim/run.ts";
import type { Step } from "../../sim/workload/program.ts";
import { type Interval, median, medianInterval } from "../statistics.ts";
import { processorSeconds } from "./processor_seconds.ts";

export const FULL_SCHEDULERS = ["round-robin", "cfs", "credit"] as const;
type Scheduler = (typeof FULL_SCHEDULERS)[number];

export interface FullRow {
  readonly pcpus: number;
  readonly guests: number;
  /** Of each guest. */
  readonly vcpus: number;
  readonly scheduler: Scheduler;
  /** Per second of processor time: the median of the rounds, with a 95 % interval. */
  readonly eventsPerSecond: number;
  readonly ci95: Interval;
  readonly rounds: readonly number[];
}

export interface FullOptions {
  readonly rounds: number;
  readonly warmUp: number;
  /** Roughly, per round. */
  readonly events: number;
}

export function benchFull(
  { rounds, warmUp, events }: FullOptions,
  pcpus: number,
  scheduler: Scheduler,
): FullRow {
  const rates: number[] = [];
  // Two events per 100 us and pCPU that makes progress.
  const at = Math.ceil((events / (2 * pcpus)) * 100_000);
  for (let round = 0; round < warmUp; round++) runSimulation(fullConfig(pcpus, scheduler, at, round));
  for (let round = 0; round < rounds; round++) {
    let count = 0;
    const seconds = processorSeconds(() => {
      count = runSimulation(fullConfig(pcpus, scheduler, at, round)).events;
    });
    rates.push(count / seconds);
  }
  return {
    pcpus,
    guests: 2,
    vcpus: pcpus,
    scheduler,
    eventsPerSecond: median(rates),
    ci95: medianInterval(rates),
    rounds: rates,
  };
}

/** The same program as the small model, with shootdowns, on the full one. */
export function fullConfig(
  pcpus: number,
  scheduler: Scheduler,
  at: number,
  replication: number,
): SimulationConfig {
  const section: Step[] = [
    { do: "compute", time: { mean: 100_000, cv: 1 } },
    { do: "lock", lock: "l" },
    { do: "compute", time: { mean: 2_000, cv: 1 }, mode: "kernel" },
    { do: "unlock", lock: "l" },
  ];
  const body: Step[] = [
    { do: "repeat", times: 50, body: section },
    { do: "barrier", barrier: "b" },
    { do: "chance", probability: 0.2, body: [{ do: "shootdown" }] },
  ];
  return {
    seed: 1,
    replication,
    until: { at },
    machine: { topology: { pcpus } },
    host: { scheduler: { kind: scheduler } },
    domains: ["a", "b"].map((name, d) => ({
      name,
      vcpus: pcpus,
      startAt: 3_000_000 * d,
      workload: {
        locks: { l: { kind: "ticket" } },
        barriers: { b: { parties: pcpus } },
        tasks: [{ count: pcpus, program: [{ do: "repeat", body }] }],
      },
    })),
  };
}
