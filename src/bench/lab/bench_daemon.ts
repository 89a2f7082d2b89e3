/**
 * What vbal costs while nothing happens: the daemon with many real guests, as a process of its own, and the agent in
 * each guest. Counters are the kernel's, read once per second; the time until everything has settled is left out.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Guest } from "../../lab/guest.ts";
import { startLab } from "../../lab/lab.ts";
import { agentPercent, agentUsage } from "../agent_usage.ts";
import { type HostFacts, hostFacts } from "../host_facts.ts";
import { percentile } from "../statistics.ts";

export interface DaemonBenchOptions {
  readonly guests: number;
  readonly seconds: number;
  /** The command line that `up --config FILE` is added to. */
  readonly vbal: readonly string[];
  /** The agent's static binary. */
  readonly agentBinary: string;
  readonly onProgress: (line: string) => void;
}

/** Once per second; CPU time is the sum of all threads. */
export interface DaemonBenchRow {
  readonly second: number;
  readonly cpuMs: number;
  readonly rssBytes: number;
}

/** One guest's agent over the whole time. */
export interface AgentCost {
  readonly guest: string;
  readonly vcpus: number;
  /** Percent of one vCPU. */
  readonly cpuPercent: number;
  readonly rssBytes: number;
}

export interface DaemonBenchResult {
  readonly host: HostFacts & { readonly accelerator: string };
  readonly guests: number;
  readonly seconds: number;
  readonly daemon: {
    /** Percent of one pCPU, over the whole time. */
    readonly cpuPercent: number;
    /** The same over each ten seconds: the median and the worst. */
    readonly cpuPercentOfTenSeconds: { readonly median: number; readonly worst: number };
    readonly rssBytes: { readonly median: number; readonly worst: number };
    /** The most it ever had, the settling included. */
    readonly peakRssBytes: number;
  };
  readonly agent: {
    readonly binaryBytes: number;
    readonly cpuPercent: { readonly median: number; readonly worst: number };
    readonly rssBytes: { readonly median: number; readonly worst: number };
  };
  readonly agents: readonly AgentCost[];
  readonly rows: readonly DaemonBenchRow[];
}

/** The compiler of JavaScript has done its work by then, and every guest follows its target. */
const SETTLE_MS = 120_000;
const INTERVAL = "1s";

export async function benchDaemon(options: DaemonBenchOptions): Promise<DaemonBenchResult> {
  const { guests: count, seconds, onProgress } = options;
  const host = hostFacts();
  const lab = await startLab({ dir: "bench-daemon" });
  const scratch = mkdtempSync(join(tmpdir(), "vbal-bench-"));
  try {
    onProgress(`Booting ${count} guests`);
    const guests = await Promise.all(
      Array.from({ length: count }, (_, i) =>
        lab.boot({
          name: `guest-${String(i).padStart(2, "0")}`,
          vcpus: vcpusOf(i),
          memoryMiB: 256,
          agent: "vbal",
        }),
      ),
    );
    await Promise.all(guests.map((guest) => guest.waitReady()));
    const config = join(scratch, "vbal.yaml");
    writeFileSync(config, configFor(lab.folder));
    const daemon = startDaemon([...options.vbal, "up", "--config", config]);
    try {
      onProgress(`Settling for ${SETTLE_MS / 1000} s`);
      await sleep(SETTLE_MS);
      await demandFollowed(guests, host.pcpus);
      onProgress(`Measuring for ${seconds} s`);
      const before = await Promise.all(guests.map(agentUsage));
      const rows = await watchProcess(daemon.pid, seconds);
      const after = await Promise.all(guests.map(agentUsage));
      const agents = guests.map(
        ({ name }, i): AgentCost => ({
          guest: name,
          vcpus: vcpusOf(i),
          cpuPercent: agentPercent(before[i]!, after[i]!),
          rssBytes: after[i]!.rssBytes,
        }),
      );
      return {
        host: { ...host, accelerator: lab.accelerator },
        guests: count,
        seconds,
        daemon: daemonCost(rows, peakRss(daemon.pid)),
        agent: {
          binaryBytes: statSync(options.agentBinary).size,
          cpuPercent: spread(agents.map(({ cpuPercent }) => cpuPercent)),
          rssBytes: spread(agents.map(({ rssBytes }) => rssBytes)),
        },
        agents,
        rows,
      };
    } finally {
      await daemon.end();
    }
  } finally {
    await lab.down();
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Guests of one and of two vCPUs in turn. */
function vcpusOf(index: number): number {
  return 1 + (index % 2);
}

function configFor(folder: string): string {
  return [
    "mode: enforce",
    `interval: ${INTERVAL}`,
    `hypervisor: { kind: qmp, directory: ${JSON.stringify(folder)} }`,
    "journal: { path: journal.jsonl }",
    "control: { socket: control.sock }",
    "",
  ].join("\n");
}

interface RunningDaemon {
  readonly pid: number;
  end(): Promise<void>;
}

function startDaemon(command: readonly string[]): RunningDaemon {
  const [program, ...args] = command;
  const child = spawn(program!, args, { stdio: ["ignore", "ignore", "inherit"] });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  if (child.pid === undefined) throw new Error(`${command.join(" ")} could not be started`);
  return {
    pid: child.pid,
    async end() {
      child.kill("SIGTERM");
      const force = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
      await ended;
      clearTimeout(force);
    },
  };
}

/** It asks every guest to take its vCPUs back. */
const STOP_MS_MAX = 60_000;

/** Equal weights are due equal parts of the pCPUs; a guest with more vCPUs than that in use was not managed at all. */
async function demandFollowed(guests: readonly Guest[], pcpus: number): Promise<void> {
  const due = Math.ceil(pcpus / guests.length);
  for (const guest of guests) {
    const online = Number(await guest.output(["nproc"]));
    if (due < online) throw new Error(`Guest ${guest.name} uses ${online} vCPUs and is due ${due}`);
  }
}

async function watchProcess(pid: number, seconds: number): Promise<DaemonBenchRow[]> {
  const begin = performance.now();
  const rows: DaemonBenchRow[] = [];
  for (let second = 0; second <= seconds; second++) {
    await sleep(Math.max(0, begin + 1000 * second - performance.now()));
    rows.push({ second, cpuMs: cpuMsOf(pid), rssBytes: memoryOf(pid, "VmRSS") });
  }
  return rows;
}

/** User and system time of all threads, those that ended included. */
function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[UTIME]) + Number(fields[STIME])) * MS_PER_TICK;
}

/** Places in /proc/PID/stat, counted from the state. */
const UTIME = 11;
const STIME = 12;
/** USER_HZ is 100 on every architecture that matters. */
const MS_PER_TICK = 10;

function memoryOf(pid: number, field: "VmRSS" | "VmHWM"): number {
  return bytesOf(readFileSync(`/proc/${pid}/status`, "latin1"), field);
}

function peakRss(pid: number): number {
  return memoryOf(pid, "VmHWM");
}

function bytesOf(status: string, field: string): number {
  return 1024 * Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, "m").exec(status)?.[1]);
}

function daemonCost(rows: readonly DaemonBenchRow[], peakRssBytes: number): DaemonBenchResult["daemon"] {
  const between = (from: DaemonBenchRow, to: DaemonBenchRow) =>
    (100 * (to.cpuMs - from.cpuMs)) / (1000 * (to.second - from.second));
  const windows = rows.slice(WINDOW_SECONDS).map((row, i) => between(rows[i]!, row));
  return {
    cpuPercent: between(rows[0]!, rows.at(-1)!),
    cpuPercentOfTenSeconds: spread(windows),
    rssBytes: spread(rows.map(({ rssBytes }) => rssBytes)),
    peakRssBytes,
  };
}

const WINDOW_SECONDS = 10;

function spread(values: readonly number[]): { readonly median: number; readonly worst: number } {
  return { median: percentile(values, 0.5), worst: Math.max(...values) };
}
