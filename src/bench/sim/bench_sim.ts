/**
 * The benchmark of the simulator: the small model beside its C++ twin, in turn, with equal digests; and the full model
 * from 12 to 512 pCPUs. Rates are events per second of processor time, so that a busy machine distorts them less.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SimulationConfig } from "../../sim/config.ts";
import { runSimulation } from "../../sim/run.ts";
import { tuneV8 } from "../../sim/tune_v8.ts";
import type { Step } from "../../sim/workload/program.ts";
import { type MiniConfig, runMini2l } from "./mini2l.ts";

export interface BenchSimOptions {
  readonly rounds: number;
  /** Rounds before the first that counts, in which V8 compiles. */
  readonly warmUp: number;
  /** Events per measurement of the small model, and roughly of the full one. */
  readonly events: number;
  readonly pcpus: readonly number[];
}

export interface BenchSimResult {
  /** One row per regime: barriers often (`sections` 50), or locks that outlive slices (2000). */
  readonly small: readonly SmallRow[];
  readonly full: readonly FullRow[];
}

/** Medians of events per second; `cxx` is null where there is no C++ compiler. */
export interface SmallRow {
  readonly sections: number;
  readonly digest: number;
  readonly vbal: number;
  readonly cxx: number | null;
}

export interface FullRow {
  readonly pcpus: number;
  readonly guests: number;
  readonly vcpus: number;
  readonly scheduler: string;
  readonly eventsPerSecond: number;
}

const DEFAULTS: BenchSimOptions = {
  rounds: 5,
  warmUp: 4,
  events: 2_000_000,
  pcpus: [12, 32, 64, 128, 256, 512],
};
const SCHEDULERS = ["round-robin", "cfs", "credit"] as const;

export function benchSim(options: Partial<BenchSimOptions> = {}): BenchSimResult {
  const settings = { ...DEFAULTS, ...options };
  tuneV8();
  return withTwin((twin) => ({
    small: [50, 2000].map((sections) => measureSmall(settings, sections, twin)),
    full: settings.pcpus.flatMap((pcpus) =>
      SCHEDULERS.map((scheduler) => measureFull(settings, pcpus, scheduler)),
    ),
  }));
}

/** Compiles the twin into a directory of its own, which is removed afterwards. */
function withTwin<Result>(use: (twin: string | null) => Result): Result {
  const folder = mkdtempSync(join(tmpdir(), "vbal-bench-"));
  try {
    return use(compileTwin(join(folder, "mini2l")));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function compileTwin(binary: string): string | null {
  const source = fileURLToPath(new URL("../../../src/bench/sim/mini2l.cpp", import.meta.url));
  try {
    // Contraction into fused multiply-add would round differently from JavaScript.
    execFileSync("g++", ["-O3", "-march=native", "-ffp-contract=off", "-o", binary, source]);
    return binary;
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw fault;
  }
}

function measureSmall(
  { rounds, warmUp, events }: BenchSimOptions,
  sections: number,
  twin: string | null,
): SmallRow {
  const config: MiniConfig = { pcpus: 12, domains: 2, vcpus: 12, sections, seed: 1, events };
  const ours: number[] = [];
  const theirs: number[] = [];
  let digest = 0;
  for (let round = 0; round < warmUp; round++) runMini2l(config);
  for (let round = 0; round < rounds; round++) {
    const seconds = secondsOf(() => {
      digest = runMini2l(config).digest;
    });
    ours.push(events / seconds);
    if (twin === null) continue;
    const other = runTwin(twin, config);
    if (other.digest !== digest) {
      throw new Error(
        `The twin's digest is ${other.digest}, ours ${digest}; one of them has changed its rules`,
      );
    }
    theirs.push(events / other.seconds);
  }
  return { sections, digest, vbal: median(ours), cxx: twin === null ? null : median(theirs) };
}

function runTwin(binary: string, config: MiniConfig): { digest: number; seconds: number } {
  const { pcpus, domains, vcpus, sections, seed, events } = config;
  const numbers = [pcpus, domains, vcpus, sections, seed, events].map(String);
  return JSON.parse(execFileSync(binary, numbers, { encoding: "utf8" })) as {
    digest: number;
    seconds: number;
  };
}

function measureFull(
  { rounds, warmUp, events }: BenchSimOptions,
  pcpus: number,
  scheduler: (typeof SCHEDULERS)[number],
): FullRow {
  const rates: number[] = [];
  // Two events per 100 us and pCPU that makes progress.
  const at = Math.ceil((events / (2 * pcpus)) * 100_000);
  for (let round = 0; round < warmUp; round++) runSimulation(fullConfig(pcpus, scheduler, at, round));
  for (let round = 0; round < rounds; round++) {
    let count = 0;
    const seconds = secondsOf(() => {
      count = runSimulation(fullConfig(pcpus, scheduler, at, round)).events;
    });
    rates.push(count / seconds);
  }
  return { pcpus, guests: 2, vcpus: pcpus, scheduler, eventsPerSecond: median(rates) };
}

/** The same program as the small model, with shootdowns, on the full one. */
function fullConfig(
  pcpus: number,
  scheduler: (typeof SCHEDULERS)[number],
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

/** Processor time of this process. */
function secondsOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
