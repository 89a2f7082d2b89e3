/**
 * Whether clients of the API slow the control loop down: the shipped daemon on a simulated host, with clients and without in
 * turn, and the time of every step of its loop. The clients are a process of their own, as real ones are.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DEFAULT_POLICY } from "../../core/policy.ts";
import { startApi } from "../../daemon/api/start_api.ts";
import { Daemon } from "../../daemon/daemon.ts";
import { startHistory } from "../../daemon/history/start_history.ts";
import { runInRealTime } from "../../hypervisor/simulated/run_in_real_time.ts";
import { createSimulatedHost } from "../../hypervisor/simulated/simulated_host.ts";
import { DEFAULT_CONFIG } from "../../protocol/config.ts";
import { type HostFacts, hostFacts } from "../host_facts.ts";
import { type Interval, percentile, ratioInterval } from "../statistics.ts";
import type { ClientsSaw } from "./api_clients.ts";

export interface ApiBenchOptions {
  readonly pollers: number;
  readonly streams: number;
  readonly domains: number;
  readonly pcpus: number;
  readonly rounds: number;
  /** How long each half of a round is measured. */
  readonly seconds: number;
  readonly onProgress: (line: string) => void;
}

export interface ApiBenchResult {
  readonly host: HostFacts;
  readonly options: Omit<ApiBenchOptions, "onProgress">;
  /** Looks a second that were asked for, many more than in service, so that there are enough steps. */
  readonly looksPerSecond: number;
  readonly rounds: readonly ApiBenchRound[];
  /** With clients over without, of the rounds' pairs. */
  readonly stepP99: { readonly ratio: number; readonly ci95: Interval };
  readonly stepMedian: { readonly ratio: number; readonly ci95: Interval };
  readonly lookP99: { readonly ratio: number; readonly ci95: Interval };
  readonly answers: {
    readonly count: number;
    readonly failures: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
  };
  readonly events: { readonly count: number; readonly streamsLost: number };
}

export interface ApiBenchRound {
  readonly alone: HalfRound;
  readonly withClients: HalfRound;
}

/** Times in milliseconds. */
export interface HalfRound {
  readonly steps: number;
  readonly stepP50: number;
  readonly stepP99: number;
  readonly stepMax: number;
  readonly lookP99: number;
}

const INTERVAL_MS = 10;
/** The compiler of JavaScript has done its work by then. */
const WARM_UP_MS = 10_000;
/** Clients have connected, or are gone. */
const SETTLE_MS = 1_500;
const MS_PER_SECOND = 1_000;

export async function benchApi(options: ApiBenchOptions): Promise<ApiBenchResult> {
  const { rounds: count, onProgress, pollers, streams } = options;
  const host = hostFacts();
  const folder = mkdtempSync(join(tmpdir(), "vbal-bench-api-"));
  const socket = join(folder, "control.sock");
  const times = { step: [] as number[], observation: [] as number[] };
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
    threads: {
      startHistory,
      // The facts that the daemon hands over for its metrics hold every step's time.
      startApi: async (served) => {
        const server = await startApi(served);
        return {
          ...server,
          close: () => server.close(),
          changed: (facts) => {
            for (const fact of facts) {
              if (fact.kind === "step" || fact.kind === "observation")
                times[fact.kind].push(fact.seconds * MS_PER_SECOND);
            }
            server.changed(facts);
          },
        };
      },
    },
  });
  const measure = async (): Promise<HalfRound> => {
    times.step.length = 0;
    times.observation.length = 0;
    await sleep(options.seconds * MS_PER_SECOND);
    return halfRound(times.step, times.observation);
  };
  try {
    await daemon.start();
    onProgress(`Warming up for ${WARM_UP_MS / MS_PER_SECOND} s`);
    await sleep(WARM_UP_MS);
    const rounds: ApiBenchRound[] = [];
    const seen: ClientsSaw[] = [];
    for (let round = 0; round < count; round++) {
      // Each half is first as often as last, so that what drifts falls on both.
      const alone = round % 2 === 0 ? await measure() : null;
      const clients = startClients([socket, `${pollers}`, `${streams}`]);
      await sleep(SETTLE_MS);
      const withClients = await measure();
      seen.push(await clients.end());
      await sleep(SETTLE_MS);
      rounds.push({ alone: alone ?? (await measure()), withClients });
      const last = rounds.at(-1)!;
      onProgress(
        `Round ${round + 1} of ${count}: p99 of a step ${last.alone.stepP99.toFixed(3)} ms alone, ${last.withClients.stepP99.toFixed(3)} ms with clients`,
      );
    }
    return resultOf({ host, options, rounds, seen });
  } finally {
    await daemon.kill();
    stopTime();
    rmSync(folder, { recursive: true, force: true });
  }
}

function busyHost({ pcpus, domains }: ApiBenchOptions) {
  const host = createSimulatedHost({ pcpus });
  for (let i = 0; i < domains; i++) host.arrive({ id: `domain-${String(i).padStart(3, "0")}`, vcpus: 4 });
  return host;
}

function halfRound(steps: readonly number[], looks: readonly number[]): HalfRound {
  return {
    steps: steps.length,
    stepP50: percentile(steps, 0.5),
    stepP99: percentile(steps, 0.99),
    stepMax: Math.max(...steps),
    lookP99: percentile(looks, 0.99),
  };
}

function startClients(args: readonly string[]): { end(): Promise<ClientsSaw> } {
  const child = spawn(process.execPath, [join(import.meta.dirname, "api_clients.js"), ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString("utf8");
  });
  const over = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return {
    async end() {
      child.stdin.write("end\n");
      await over;
      return JSON.parse(text) as ClientsSaw;
    },
  };
}

function resultOf(made: {
  readonly host: HostFacts;
  readonly options: ApiBenchOptions;
  readonly rounds: readonly ApiBenchRound[];
  readonly seen: readonly ClientsSaw[];
}): ApiBenchResult {
  const { host, rounds, seen } = made;
  const { onProgress: _, ...options } = made.options;
  const ratio = (of: (half: HalfRound) => number) =>
    ratioInterval(
      rounds.map(({ withClients }) => of(withClients)),
      rounds.map(({ alone }) => of(alone)),
    );
  const answerMs = seen.flatMap((one) => one.answerMs);
  const sum = (of: (saw: ClientsSaw) => number) => seen.reduce((total, saw) => total + of(saw), 0);
  return {
    host,
    options,
    looksPerSecond: MS_PER_SECOND / INTERVAL_MS,
    rounds,
    stepP99: ratio(({ stepP99 }) => stepP99),
    stepMedian: ratio(({ stepP50 }) => stepP50),
    lookP99: ratio(({ lookP99 }) => lookP99),
    answers: {
      count: answerMs.length,
      failures: sum(({ failures }) => failures),
      p50Ms: percentile(answerMs, 0.5),
      p99Ms: percentile(answerMs, 0.99),
    },
    events: { count: sum(({ events }) => events), streamsLost: sum(({ streamsLost }) => streamsLost) },
  };
}
