/**
 * Whether clients of the API slow the control loop down: the shipped daemon on a simulated host, in short blocks with clients
 * and without in turn, and the time of every step of its loop. The clients are a process of their own, as real ones are.
 *
 * A busy machine makes steps slow with clients and without. So what counts is the processor time of the loop's own thread,
 * and blocks are short, so that what drifts falls on both; time that passed is reported beside it.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DEFAULT_POLICY } from "../../core/policy.ts";
import { Daemon } from "../../daemon/daemon.ts";
import { runInRealTime } from "../../hypervisor/simulated/run_in_real_time.ts";
import { createSimulatedHost } from "../../hypervisor/simulated/simulated_host.ts";
import { DEFAULT_CONFIG } from "../../protocol/config.ts";
import { type HostFacts, hostFacts } from "../host_facts.ts";
import { blockRatioInterval, type Interval, percentile } from "../statistics.ts";
import type { ClientsSaw } from "./api_clients.ts";
import { type StepTimes, timeSteps } from "./step_times.ts";

export interface ApiBenchOptions {
  readonly pollers: number;
  readonly streams: number;
  readonly domains: number;
  readonly pcpus: number;
  readonly rounds: number;
  /** How long each block is measured; a round has two. */
  readonly seconds: number;
  readonly onProgress: (line: string) => void;
}

/** With clients over without, of all steps; the interval resamples rounds. */
export interface Ratio {
  readonly ratio: number;
  readonly ci95: Interval;
}

export interface ApiBenchResult {
  readonly host: HostFacts;
  readonly options: Omit<ApiBenchOptions, "onProgress">;
  /** Looks a second that were asked for, many more than in service, so that there are enough steps. */
  readonly looksPerSecond: number;
  readonly rounds: readonly ApiBenchRound[];
  /** Processor time of the loop's thread in a step: what the target is about. */
  readonly processorP99: Ratio;
  readonly processorMedian: Ratio;
  /** The same without the steps in which garbage was collected. */
  readonly processorP99NoGc: Ratio;
  readonly wallP99: Ratio;
  readonly lookP99: Ratio;
  readonly answers: {
    readonly count: number;
    readonly failures: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
  };
  readonly events: { readonly count: number; readonly streamsLost: number };
}

export interface ApiBenchRound {
  readonly alone: Block;
  readonly withClients: Block;
}

/** Times in milliseconds. */
export interface Block {
  readonly steps: number;
  readonly stepsWithGc: number;
  readonly processorP50: number;
  readonly processorP99: number;
  readonly wallP99: number;
  readonly lookP99: number;
}

/** What a block measured, whole. */
interface Measured {
  readonly processorMs: readonly number[];
  readonly processorMsNoGc: readonly number[];
  readonly wallMs: readonly number[];
  readonly lookMs: readonly number[];
}

const INTERVAL_MS = 10;
/** The compiler of JavaScript has done its work by then, with clients as well as without. */
const WARM_UP_MS = 6_000;
/** Clients have connected, or are gone. */
const SETTLE_MS = 500;
const MS_PER_SECOND = 1_000;

export async function benchApi(options: ApiBenchOptions): Promise<ApiBenchResult> {
  const { rounds: count, onProgress, pollers, streams } = options;
  const host = hostFacts();
  const folder = mkdtempSync(join(tmpdir(), "vbal-bench-api-"));
  const socket = join(folder, "control.sock");
  const times = timeSteps();
  const world = busyHost(options);
  const stopTime = runInRealTime(world);
  const daemon = new Daemon({
    config: {
      ...DEFAULT_CONFIG,
      policy: DEFAULT_POLICY,
      interval: INTERVAL_MS,
      journal: { path: join(folder, "journal.jsonl"), maxBytes: 256 * 1024 * 1024 },
      control: { socket },
    },
    configFile: null,
    hypervisor: world.connect(),
    version: "bench",
    log: () => undefined,
    stopwatch: times.stopwatch,
  });
  let clients: Clients | null = null;
  try {
    await daemon.start();
    clients = startClients([socket, `${pollers}`, `${streams}`]);
    onProgress(`Warming up for ${(2 * WARM_UP_MS) / MS_PER_SECOND} s`);
    await sleep(WARM_UP_MS);
    clients.go();
    await sleep(WARM_UP_MS);
    clients.rest();
    const blocks = { alone: [] as Measured[], withClients: [] as Measured[] };
    for (let round = 0; round < count; round++) {
      // Each is first as often as last, so that what drifts falls on both.
      const order =
        round % 2 === 0 ? (["alone", "withClients"] as const) : (["withClients", "alone"] as const);
      for (const which of order) {
        if (which === "withClients") clients.go();
        blocks[which].push(await measure(times, options.seconds));
        if (which === "withClients") clients.rest();
      }
      onProgress(
        `Round ${round + 1} of ${count}: ${summary(blocks.alone.at(-1)!, blocks.withClients.at(-1)!)}`,
      );
    }
    const saw = await clients.end();
    clients = null;
    return resultOf({ host, options, blocks, saw });
  } finally {
    await clients?.end();
    await daemon.kill();
    stopTime();
    times.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(times: StepTimes, seconds: number): Promise<Measured> {
  await sleep(SETTLE_MS);
  times.takeSteps();
  times.takeLooks();
  await sleep(seconds * MS_PER_SECOND);
  const [steps, lookMs] = [times.takeSteps(), times.takeLooks()];
  // The last collections are told a turn of the event loop later.
  await sleep(0);
  const calm = steps.filter((step) => !times.heldGarbageCollection(step));
  return {
    processorMs: steps.map(({ processorMs }) => processorMs),
    processorMsNoGc: calm.map(({ processorMs }) => processorMs),
    wallMs: steps.map(({ wallMs }) => wallMs),
    lookMs,
  };
}

function summary(alone: Measured, withClients: Measured): string {
  const p99 = ({ processorMs }: Measured) => `${percentile(processorMs, 0.99).toFixed(3)} ms`;
  return `p99 of a step's processor time ${p99(alone)} alone, ${p99(withClients)} with clients`;
}

function busyHost({ pcpus, domains }: ApiBenchOptions) {
  const host = createSimulatedHost({ pcpus });
  for (let i = 0; i < domains; i++) host.arrive({ id: `domain-${String(i).padStart(3, "0")}`, vcpus: 4 });
  return host;
}

function blockOf({ processorMs, processorMsNoGc, wallMs, lookMs }: Measured): Block {
  return {
    steps: processorMs.length,
    stepsWithGc: processorMs.length - processorMsNoGc.length,
    processorP50: percentile(processorMs, 0.5),
    processorP99: percentile(processorMs, 0.99),
    wallP99: percentile(wallMs, 0.99),
    lookP99: percentile(lookMs, 0.99),
  };
}

interface Clients {
  go(): void;
  rest(): void;
  end(): Promise<ClientsSaw>;
}

function startClients(args: readonly string[]): Clients {
  const child = spawn(process.execPath, [join(import.meta.dirname, "api_clients.js"), ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString("utf8");
  });
  const over = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const say = (word: string) => void child.stdin.write(`${word}\n`);
  return {
    go: () => say("go"),
    rest: () => say("rest"),
    async end() {
      say("end");
      await over;
      return JSON.parse(text) as ClientsSaw;
    },
  };
}

function resultOf(made: {
  readonly host: HostFacts;
  readonly options: ApiBenchOptions;
  readonly blocks: Readonly<Record<"alone" | "withClients", readonly Measured[]>>;
  readonly saw: ClientsSaw;
}): ApiBenchResult {
  const { host, blocks, saw } = made;
  const { onProgress: _, ...options } = made.options;
  const ratio = (of: (block: Measured) => readonly number[], fraction: number): Ratio =>
    blockRatioInterval(blocks.withClients.map(of), blocks.alone.map(of), fraction);
  return {
    host,
    options,
    looksPerSecond: MS_PER_SECOND / INTERVAL_MS,
    rounds: blocks.alone.map((alone, i) => ({
      alone: blockOf(alone),
      withClients: blockOf(blocks.withClients[i]!),
    })),
    processorP99: ratio(({ processorMs }) => processorMs, 0.99),
    processorMedian: ratio(({ processorMs }) => processorMs, 0.5),
    processorP99NoGc: ratio(({ processorMsNoGc }) => processorMsNoGc, 0.99),
    wallP99: ratio(({ wallMs }) => wallMs, 0.99),
    lookP99: ratio(({ lookMs }) => lookMs, 0.99),
    answers: {
      count: saw.answers,
      failures: saw.failures,
      p50Ms: percentile(saw.answerMs, 0.5),
      p99Ms: percentile(saw.answerMs, 0.99),
    },
    events: { count: saw.events, streamsLost: saw.streamsLost },
  };
}
