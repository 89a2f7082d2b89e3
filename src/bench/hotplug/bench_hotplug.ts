/**
 * How long a guest waits for a vCPU that it needs: a real guest with two virtual NUMA nodes, load that is bound to
 * node 1 in it, and the shipped daemon. In turn, beside it, the same burst served by a policy on the guest's one-minute
 * load average, as the closest other systems have it (load_average_policy.ts).
 *
 * The guest has vCPUs 0 and 1 in one node (QEMU's node 1), vCPUs 2 and 3 in the other, so that the node makes a difference: whoever spreads
 * vCPUs evenly would take vCPU 2 next. Every run has a guest of its own, because a guest that has asked before is
 * remembered. It begins with vCPU 0 alone; the load is two threads in a cpuset of the vCPUs of node 1, bound there
 * whether these are online or not.
 *
 * Moments, on the host's clock:
 * - onset: the command that begins the load is sent into the guest, so the way there counts as reaction time;
 * - request, answer: as the daemon was asked, and as it answered (its view, in whole milliseconds);
 * - running: the thread of vCPU 1 begins to run without a pause, by the kernel's own account of it.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DEFAULT_POLICY } from "../../core/policy.ts";
import { Daemon } from "../../daemon/daemon.ts";
import { createQmpAdapter } from "../../hypervisor/qmp/qmp_adapter.ts";
import type { Guest } from "../../lab/guest.ts";
import { type Lab, startLab } from "../../lab/lab.ts";
import { BOUND_LOAD, bindingOf, PREPARE_NODE } from "../../lab/node_load.ts";
import { DEFAULT_CONFIG } from "../../protocol/config.ts";
import type { DomainView, RequestView } from "../../protocol/state_view.ts";
import { type AgentUsage, agentPercent, agentUsage } from "../agent_usage.ts";
import { type HostFacts, hostFacts } from "../host_facts.ts";
import { seeded } from "../seeded.ts";
import { type Distribution, distributionOf } from "./distribution.ts";
import { followLoadAverage } from "./load_average_policy.ts";
import { watchThread } from "./node_load.ts";

/** `online`: the vCPU is there, offline. `plug`: it is not there yet. */
export const HOTPLUG_WAYS = ["online", "plug"] as const;
export type HotplugWay = (typeof HOTPLUG_WAYS)[number];

export interface HotplugBenchOptions {
  readonly runs: number;
  /** Of the load average's policy; each takes most of a minute. */
  readonly baselineRuns: number;
  readonly way: HotplugWay;
  readonly onProgress: (line: string) => void;
}

export interface HotplugRow {
  readonly run: number;
  readonly arm: "vbal" | "load-average";
  readonly way: HotplugWay;
  /** `null` where nobody asks. */
  readonly onsetToRequestMs: number | null;
  readonly requestToAnswerMs: number | null;
  readonly answerToRunningMs: number | null;
  readonly onsetToRunningMs: number;
  /** What the guest said it was short of, and where; `null` where nobody asks. */
  readonly measure: string | null;
  readonly node: number | null;
  readonly vcpu: number;
  /** pCPUs that the new vCPU's thread may run on, once it runs. */
  readonly pins: string;
  /** vCPUs on which threads of the load were seen, once it runs. */
  readonly loadOn: readonly number[];
  /** Requests that were denied before the one that was granted; `null` where nobody asks. */
  readonly deniedBefore: number | null;
  /** The agent's cost from some seconds before the onset to the end of the load; `null` where its monitor is off. */
  readonly agent: { readonly cpuPercent: number; readonly rssBytes: number } | null;
}

export interface HotplugBenchResult {
  readonly host: HostFacts & { readonly accelerator: string };
  readonly way: HotplugWay;
  readonly runs: number;
  readonly onsetToRequestMs: Distribution;
  readonly requestToAnswerMs: Distribution;
  readonly answerToRunningMs: Distribution;
  readonly onsetToRunningMs: Distribution;
  readonly loadAverageBaseline: { readonly runs: number; readonly onsetToRunningMs: Distribution };
  /** With all measures on, under the load: percent of one vCPU, bytes. */
  readonly agent: { readonly cpuPercent: Distribution; readonly rssBytes: Distribution };
  /** Runs without a result, each with what was waited for in vain; they count in no distribution. */
  readonly failures: readonly HotplugFailure[];
  readonly rows: readonly HotplugRow[];
}

export interface HotplugFailure {
  readonly run: number;
  readonly arm: HotplugRow["arm"];
  readonly why: string;
}

const VCPUS = 4;
/** The node of vCPUs 0 and 1 as QEMU has it, and as the guest does: Linux counts from vCPU 0's. */
const QEMU_NODE = 1;
const NODE = 0;
const NEW_VCPU = 1;
/** It has to give back what it is due and does not need: 20 s after its boot, and as long again on a busy host. */
const SETTLE_MS_MAX = 120_000;
/** Within 3 s it should ask; one that does not within this has failed. */
const REACTION_MS_MAX = 30_000;
/** A load average of two threads passes 1 after 42 s. */
const BASELINE_MS_MAX = 150_000;
/** The load goes on for so long after the vCPU runs, so that one sees where. */
const WATCH_MS = 2_000;
const LOOK_EVERY_MS = 10;
/** To read what the agent has used is work too, at which the monitor looks: the load begins when it rests again. */
const REST_MS = 3_000;
/** The monitor samples once per second: onsets at every phase of that. */
const PHASES_MS = 1_000;

export async function benchHotplug(options: HotplugBenchOptions): Promise<HotplugBenchResult> {
  const host = hostFacts();
  const lab = await startLab({ dir: "bench-hotplug" });
  const draw = seeded(0x407);
  const rows: HotplugRow[] = [];
  const failures: HotplugFailure[] = [];
  try {
    const inAll = Math.max(options.runs, options.baselineRuns);
    for (let run = 0; run < inAll; run++) {
      const stage: Stage = { lab, run, way: options.way, phaseMs: draw(PHASES_MS) };
      const attempt = async (arm: HotplugRow["arm"], play: (stage: Stage) => Promise<HotplugRow>) => {
        try {
          const row = await play(stage);
          rows.push(row);
          options.onProgress(progressLine(row));
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error);
          failures.push({ run, arm, why });
          options.onProgress(`run ${run + 1}  ${arm}: failed: ${why}`);
        }
      };
      if (run < options.runs) await attempt("vbal", underVbal);
      if (run < options.baselineRuns) await attempt("load-average", underLoadAverage);
    }
  } finally {
    await lab.down();
  }
  return { host: { ...host, accelerator: lab.accelerator }, ...summarise(rows, options), failures };
}

interface Stage {
  readonly lab: Lab;
  readonly run: number;
  readonly way: HotplugWay;
  readonly phaseMs: number;
}

async function underVbal(stage: Stage): Promise<HotplugRow> {
  const scratch = mkdtempSync(join(tmpdir(), "vbal-bench-"));
  const guest = await bootGuest(stage, `vbal-${stage.run}`);
  const daemon = new Daemon({
    config: {
      ...DEFAULT_CONFIG,
      policy: DEFAULT_POLICY,
      journal: { ...DEFAULT_CONFIG.journal, path: join(scratch, "journal.jsonl") },
      control: { ...DEFAULT_CONFIG.control, socket: join(scratch, "control.sock") },
    },
    configFile: null,
    hypervisor: createQmpAdapter({
      domains: [{ name: guest.name, qmp: guest.qmpSocket, agent: guest.agentSocket }],
    }),
    version: "bench",
    log: () => undefined,
  });
  try {
    await daemon.start();
    const view = (): DomainView | undefined => daemon.view().domains[0];
    await until(
      SETTLE_MS_MAX,
      () => `vCPU 0 alone online in ${guest.name}: ${JSON.stringify(view())}`,
      () => {
        const domain = view();
        return domain?.online === 1 && domain.pending.length === 0 && domain.load !== undefined;
      },
    );
    const before = await agentUsage(guest);
    await sleep(REST_MS + stage.phaseMs);
    const heard = view()?.requests?.length ?? 0;
    const load = beginLoad(guest);
    const asked = (): readonly RequestView[] => view()?.requests?.slice(heard) ?? [];
    const granted = (): RequestView | undefined => asked().find(({ fate }) => fate === "granted");
    await until(
      REACTION_MS_MAX,
      () => `a granted request of ${guest.name}; it got ${JSON.stringify(asked())}`,
      () => granted() !== undefined,
    );
    const seen = await watchedRunning(guest, REACTION_MS_MAX);
    const after = await agentUsage(guest);
    await load.end();
    const { exceeded, node, vcpu, answeredAtMs } = granted()!;
    // From the first one, also where it was denied and the guest asked again.
    const { atMs } = asked()[0]!;
    return {
      ...rowOf(stage, "vbal", { onset: load.onset, ...seen }),
      onsetToRequestMs: atMs - load.onset,
      requestToAnswerMs: answeredAtMs! - atMs,
      answerToRunningMs: seen.running - answeredAtMs!,
      measure: exceeded?.measure ?? null,
      node,
      vcpu: vcpu!,
      deniedBefore: asked().findIndex(({ fate }) => fate === "granted"),
      agent: costBetween(before, after),
    };
  } finally {
    await daemon.stop();
    await guest.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function underLoadAverage(stage: Stage): Promise<HotplugRow> {
  const guest = await bootGuest(stage, `loadavg-${stage.run}`);
  const hypervisor = createQmpAdapter({
    domains: [{ name: guest.name, qmp: guest.qmpSocket, agent: guest.agentSocket }],
  });
  const policy = followLoadAverage(guest, hypervisor, {
    vcpu: NEW_VCPU,
    node: NODE,
    plug: stage.way === "plug",
  });
  try {
    await policy.begin();
    await sleep(stage.phaseMs);
    const load = beginLoad(guest);
    const stop = policy.follow();
    const seen = await watchedRunning(guest, BASELINE_MS_MAX).finally(stop);
    await load.end();
    return rowOf(stage, "load-average", { onset: load.onset, ...seen });
  } finally {
    await hypervisor.close();
    await guest.stop();
  }
}

async function bootGuest({ lab, way }: Stage, name: string): Promise<Guest> {
  const guest = await lab.boot({
    name,
    vcpus: VCPUS,
    ...(way === "plug" ? { bootVcpus: 1 } : {}),
    numaNodes: 2,
    firstNode: QEMU_NODE,
    agent: "vbal",
  });
  await guest.waitReady();
  await guest.output(["sh", "-c", PREPARE_NODE]);
  return guest;
}

interface BoundLoad {
  readonly onset: number;
  end(): Promise<void>;
}

function beginLoad(guest: Guest): BoundLoad {
  const stop = new AbortController();
  const onset = Date.now();
  const ended = guest
    .exec(["sh", "-c", BOUND_LOAD], { deadlineMs: 2 * BASELINE_MS_MAX, signal: stop.signal })
    .catch(() => undefined);
  return {
    onset,
    async end() {
      stop.abort();
      await ended;
    },
  };
}

interface Seen {
  readonly running: number;
  readonly pins: string;
  readonly loadOn: readonly number[];
}

/** Waits until the thread of the new vCPU runs, then looks where the load is. */
async function watchedRunning(guest: Guest, deadlineMs: number): Promise<Seen> {
  const watch = watchThread(guest, NEW_VCPU);
  const end = performance.now() + deadlineMs;
  let running: number | null = null;
  while (running === null) {
    if (end < performance.now()) {
      const { loadOn } = await bindingOf(guest, NEW_VCPU);
      throw new Error(
        `vCPU ${NEW_VCPU} of ${guest.name} did not run in time; the load is on ${loadOn.join(",")}`,
      );
    }
    await sleep(LOOK_EVERY_MS);
    running = await watch.runningSince(Date.now());
  }
  await sleep(WATCH_MS);
  return { running, ...(await bindingOf(guest, NEW_VCPU)) };
}

function rowOf(
  { run, way }: Stage,
  arm: HotplugRow["arm"],
  { onset, running, pins, loadOn }: Seen & { readonly onset: number },
): HotplugRow {
  return {
    run,
    arm,
    way,
    onsetToRequestMs: null,
    requestToAnswerMs: null,
    answerToRunningMs: null,
    onsetToRunningMs: running - onset,
    measure: null,
    node: null,
    vcpu: NEW_VCPU,
    pins,
    loadOn,
    deniedBefore: null,
    agent: null,
  };
}

function costBetween(before: AgentUsage, after: AgentUsage): HotplugRow["agent"] {
  return { cpuPercent: agentPercent(before, after), rssBytes: after.rssBytes };
}

async function until(deadlineMs: number, what: () => string, holds: () => boolean): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!holds()) {
    if (end < performance.now()) throw new Error(`Waited ${deadlineMs / 1000} s in vain for ${what()}`);
    await sleep(LOOK_EVERY_MS);
  }
}

function summarise(
  rows: readonly HotplugRow[],
  { runs, baselineRuns, way }: HotplugBenchOptions,
): Omit<HotplugBenchResult, "host" | "failures"> {
  const ours = rows.filter(({ arm }) => arm === "vbal");
  const theirs = rows.filter(({ arm }) => arm === "load-average");
  const of = (pick: (row: HotplugRow) => number | null | undefined): Distribution =>
    distributionOf(ours.map(pick).filter((value) => value !== null && value !== undefined));
  return {
    way,
    runs,
    onsetToRequestMs: of((row) => row.onsetToRequestMs),
    requestToAnswerMs: of((row) => row.requestToAnswerMs),
    answerToRunningMs: of((row) => row.answerToRunningMs),
    onsetToRunningMs: of((row) => row.onsetToRunningMs),
    loadAverageBaseline: {
      runs: baselineRuns,
      onsetToRunningMs: distributionOf(theirs.map((row) => row.onsetToRunningMs)),
    },
    agent: { cpuPercent: of((row) => row.agent?.cpuPercent), rssBytes: of((row) => row.agent?.rssBytes) },
    rows,
  };
}

function progressLine({ run, arm, onsetToRunningMs, onsetToRequestMs, pins, loadOn }: HotplugRow): string {
  const asked = onsetToRequestMs === null ? "" : `asked after ${onsetToRequestMs} ms, `;
  return `run ${run + 1}  ${arm}: ${asked}running after ${onsetToRunningMs} ms on pCPU ${pins}, load on vCPUs ${loadOn.join(",")}`;
}
