/**
 * Two equal guests on the same pCPUs run the same program at the same time, under four arms:
 *
 * - `default`: as many vCPUs as pCPUs, placed by the host's scheduler (B-39);
 * - `affinity`: the same, vCPU k of each guest pinned to pCPU k (B-40);
 * - `static`: guests that were booted with their share of vCPUs and pinned apart: the oracle (B-41);
 * - `vbal`: the guests of `default`, ballooned and pinned by the shipped daemon while they run.
 *
 * On request, `static-smp`: as `static`, but each guest has room for a second vCPU, as the guests of `vbal` have. A Linux that
 * boots with one possible vCPU patches the lock prefixes out of itself ("SMP alternatives"), which no ballooned guest can;
 * the arm tells that saving from what ballooning costs.
 *
 * Two more, on request, have one guest run while the other is paused: `alone` the first of `default`, `alone-one` the first of
 * `static`. They are what the simulator's models of the programs are made from (bench/sim/lab_models.ts).
 *
 * Arms take turns within a round, in an order that changes from round to round, so that a drift of the machine hits all
 * of them. The guests of an arm that is not on are paused. A sample is the mean of the two guests' times.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_POLICY } from "../../core/policy.ts";
import { Daemon } from "../../daemon/daemon.ts";
import { createQmpAdapter } from "../../hypervisor/qmp/qmp_adapter.ts";
import type { Guest } from "../../lab/guest.ts";
import type { GuestProgram } from "../../lab/guest_program.ts";
import { type Lab, startLab } from "../../lab/lab.ts";
import { DEFAULT_CONFIG } from "../../protocol/config.ts";
import { type Interval, median, medianInterval, ratioInterval } from "../statistics.ts";

export const COMPARED_ARMS = ["default", "affinity", "static", "vbal"] as const;
export const ARMS = [...COMPARED_ARMS, "static-smp", "alone", "alone-one"] as const;
export type Arm = (typeof ARMS)[number];

export interface LabBenchOptions {
  readonly programs: readonly GuestProgram[];
  /** In the order of `ARMS`. */
  readonly arms: readonly Arm[];
  readonly rounds: number;
  /** Of the programs' work; 1 is some seconds on one emulated vCPU. */
  readonly scale: number;
  readonly onProgress: (line: string) => void;
}

/** One program in one arm of one round; times are of the guests' own clocks. */
export interface LabBenchRow {
  readonly round: number;
  readonly arm: Arm;
  readonly program: GuestProgram;
  readonly guestSeconds: readonly number[];
  readonly seconds: number;
}

export interface ArmResult {
  readonly medianSeconds: number;
  readonly ci95: Interval;
  readonly samples: readonly number[];
}

export interface LabBenchResult {
  readonly host: { readonly pcpus: number; readonly model: string; readonly accelerator: string };
  readonly guests: number;
  readonly rounds: number;
  readonly scale: number;
  readonly programs: Readonly<
    Record<
      string,
      {
        /** The arms that were measured. */
        readonly arms: Readonly<Partial<Record<Arm, ArmResult>>>;
        /** vbal's time over the arm's, median of the rounds' ratios; empty when vbal was not measured. */
        readonly vbalOver: Readonly<
          Partial<Record<Arm, { readonly ratio: number; readonly ci95: Interval }>>
        >;
      }
    >
  >;
  readonly rows: readonly LabBenchRow[];
}

/** The benchmark is about two guests on two pCPUs; more would need guests with more memory than a small host has. */
const PCPUS = 2;
const SETTLE_MS_MAX = 60_000;
/** Longer than any program at a sensible scale, under the worst arm, on a slow host. */
const PROGRAM_MS_MAX = 600_000;

export async function benchLab(options: LabBenchOptions): Promise<LabBenchResult> {
  if (availableParallelism() < PCPUS) {
    throw new Error(`The lab benchmark needs ${PCPUS} pCPUs and this host has ${availableParallelism()}`);
  }
  const lab = await startLab({ dir: "bench" });
  try {
    const stage = await setStage(lab, options.arms);
    const rows: LabBenchRow[] = [];
    for (let round = 0; round < options.rounds; round++) {
      for (const arm of rotated(options.arms, round)) {
        await stage.under(arm, async (guests) => {
          for (const program of options.programs) {
            rows.push(await measure({ round, arm, program, guests, scale: options.scale }));
            options.onProgress(progressLine(rows.at(-1)!, options.rounds));
          }
        });
      }
    }
    return summarise(rows, options, lab.accelerator);
  } finally {
    await lab.down();
  }
}

interface Stage {
  under(arm: Arm, play: (guests: readonly Guest[]) => Promise<void>): Promise<void>;
}

async function setStage(lab: Lab, arms: readonly Arm[]): Promise<Stage> {
  const pcpus = Array.from({ length: PCPUS }, (_, pcpu) => pcpu);
  const boot = (name: string, vcpus: number, own: readonly number[], bootVcpus = vcpus) =>
    lab.boot({ name, vcpus, bootVcpus, pcpus: own, agent: "vbal" });
  const ballooned = await Promise.all([boot("alpha", PCPUS, pcpus), boot("beta", PCPUS, pcpus)]);
  const fixed = await Promise.all([boot("alpha-static", 1, [0]), boot("beta-static", 1, [1])]);
  const growable = arms.includes("static-smp")
    ? await Promise.all([boot("alpha-smp", PCPUS, [0], 1), boot("beta-smp", PCPUS, [1], 1)])
    : [];
  const all = [...ballooned, ...fixed, ...growable];
  await Promise.all(all.map((guest) => guest.waitReady()));
  const playersOf = (arm: Arm): readonly Guest[] => {
    switch (arm) {
      case "alone":
        return ballooned.slice(0, 1);
      case "alone-one":
        return fixed.slice(0, 1);
      case "static":
        return fixed;
      case "static-smp":
        return growable;
      default:
        return ballooned;
    }
  };
  return {
    async under(arm, play) {
      const guests = playersOf(arm);
      const idle = all.filter((guest) => !guests.includes(guest));
      await Promise.all(idle.map((guest) => pause(guest)));
      await Promise.all(guests.map((guest) => resume(guest)));
      if (arm === "vbal") return underVbal(guests, lab.folder, () => play(guests));
      const everywhere = pcpus.map(() => pcpus);
      const oneEach = pcpus.map((pcpu) => [pcpu]);
      if (ballooned.includes(guests[0]!)) {
        await Promise.all(guests.map((guest) => guest.pinVcpus(arm === "affinity" ? oneEach : everywhere)));
      }
      await play(guests);
      if (arm === "affinity") await Promise.all(guests.map((guest) => guest.pinVcpus(everywhere)));
    },
  };
}

/** The shipped daemon, from its first observation to its clean stop. */
async function underVbal(guests: readonly Guest[], folder: string, play: () => Promise<void>): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), "vbal-bench-"));
  const daemon = new Daemon({
    config: {
      ...DEFAULT_CONFIG,
      policy: { ...DEFAULT_POLICY, pool: Array.from({ length: PCPUS }, (_, pcpu) => pcpu) },
      journal: { ...DEFAULT_CONFIG.journal, path: join(scratch, "journal.jsonl") },
      control: { socket: join(folder, "control.sock") },
    },
    configFile: null,
    hypervisor: createQmpAdapter({
      domains: guests.map(({ name, qmpSocket, agentSocket }) => ({
        name,
        qmp: qmpSocket,
        agent: agentSocket,
      })),
    }),
    version: "bench",
    log: () => undefined,
  });
  try {
    await daemon.start();
    await settled(daemon, guests.length);
    await play();
  } finally {
    await daemon.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function settled(daemon: Daemon, domains: number): Promise<void> {
  const end = Date.now() + SETTLE_MS_MAX;
  const isSettled = () => {
    const view = daemon.view().domains;
    return (
      view.length === domains &&
      view.every(
        ({ online, target, pending }) => online !== null && online === target && pending.length === 0,
      )
    );
  };
  while (!isSettled()) {
    if (end < Date.now())
      throw new Error(`The guests did not settle: ${JSON.stringify(daemon.view().problems)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function measure(what: {
  readonly round: number;
  readonly arm: Arm;
  readonly program: GuestProgram;
  readonly guests: readonly Guest[];
  readonly scale: number;
}): Promise<LabBenchRow> {
  const { round, arm, program, guests, scale } = what;
  const results = await Promise.all(
    guests.map((guest) => guest.run(program, { scale, deadlineMs: PROGRAM_MS_MAX })),
  );
  const guestSeconds = results.map(({ seconds }) => seconds);
  return { round, arm, program, guestSeconds, seconds: mean(guestSeconds) };
}

async function pause(guest: Guest): Promise<void> {
  await (await guest.monitor()).execute("stop");
}

async function resume(guest: Guest): Promise<void> {
  await (await guest.monitor()).execute("cont");
}

function summarise(
  rows: readonly LabBenchRow[],
  options: LabBenchOptions,
  accelerator: string,
): LabBenchResult {
  const { programs, arms, rounds, scale } = options;
  const samples = (program: GuestProgram, arm: Arm) =>
    rows.filter((row) => row.program === program && row.arm === arm).map(({ seconds }) => seconds);
  const armResult = (values: readonly number[]): ArmResult => ({
    medianSeconds: median(values),
    ci95: medianInterval(values),
    samples: values,
  });
  return {
    host: { pcpus: PCPUS, model: cpus()[0]?.model ?? "unknown", accelerator },
    guests: 2,
    rounds,
    scale,
    programs: Object.fromEntries(
      programs.map((program) => [
        program,
        {
          arms: Object.fromEntries(arms.map((arm) => [arm, armResult(samples(program, arm))])),
          vbalOver: Object.fromEntries(
            arms
              .filter((arm) => arm !== "vbal" && arms.includes("vbal"))
              .map((arm) => [arm, ratioInterval(samples(program, "vbal"), samples(program, arm))]),
          ),
        },
      ]),
    ),
    rows,
  };
}

function progressLine({ round, arm, program, seconds }: LabBenchRow, rounds: number): string {
  return `round ${round + 1}/${rounds}  ${arm.padEnd(10)}  ${program.padEnd(14)}  ${seconds.toFixed(2)} s`;
}

function rotated<Item>(items: readonly Item[], by: number): Item[] {
  return items.map((_, i) => items[(i + by) % items.length]!);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
