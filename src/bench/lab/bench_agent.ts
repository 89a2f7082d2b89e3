/**
 * What the agent costs its guest, at rest and under loads that make measuring dear: threads that wait, and a byte that goes round
 * as fast as it can. The host wants measures every second under load, as nobody does in daily use, and sends run times as
 * the daemon does. By the guest's own kernel: time on a vCPU, to the nanosecond.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { createVbalAgentChannel } from "../../hypervisor/guest/vbal_agent_channel.ts";
import { nodeTimers } from "../../hypervisor/timers.ts";
import type { Guest } from "../../lab/guest.ts";
import { startLab } from "../../lab/lab.ts";
import { agentPercent, agentUsage } from "../agent_usage.ts";
import { type HostFacts, hostFacts } from "../host_facts.ts";

export interface AgentBenchOptions {
  /** How long each load is measured; at rest three minutes at least. */
  readonly seconds: number;
  readonly onProgress: (line: string) => void;
}

export interface AgentBenchRow {
  readonly load: string;
  readonly measuresEveryMs: number;
  readonly seconds: number;
  /** Of one vCPU. */
  readonly cpuPercent: number;
  readonly rssBytes: number;
  readonly threads: number;
  readonly switchesPerSecond: number;
  /** Messages with measures that came. */
  readonly measures: number;
  /** What the last of them said is not measured, or more rarely. */
  readonly degraded: readonly string[];
}

export interface AgentBenchResult {
  readonly host: HostFacts & { readonly accelerator: string };
  readonly vcpus: number;
  readonly rows: readonly AgentBenchRow[];
}

interface Load {
  readonly name: string;
  readonly measuresEveryMs: number;
  /** A shell's command that goes on until it is killed; `null` for none. */
  readonly command: string | null;
}

const VCPUS = 2;
const FOR_LONG_S = 3_600;
const LOADS: readonly Load[] = [
  { name: "at rest", measuresEveryMs: 10_000, command: null },
  { name: "at rest, measures every second", measuresEveryMs: 1_000, command: null },
  {
    name: "three threads on one vCPU",
    measuresEveryMs: 1_000,
    command: `taskset 2 /lab/pattern hold 1 3 ${FOR_LONG_S}`,
  },
  {
    name: "a byte that goes round",
    measuresEveryMs: 1_000,
    command: `taskset 2 /lab/pattern ring 2 2 ${FOR_LONG_S}`,
  },
  {
    name: "2,000 threads, a byte round each vCPU",
    measuresEveryMs: 1_000,
    command: [
      `/lab/pattern wait 40 50 ${FOR_LONG_S}`,
      ...["1", "2"].map((mask) => `taskset ${mask} /lab/pattern ring 2 2 ${FOR_LONG_S}`),
    ].join(" & "),
  },
];

/** The calibration is over, and what idle time saved up is spent: 600 ms at 0.8 % last 75 s. */
const SETTLE_MS = 75_000;
const SETTLE_AT_REST_MS = 20_000;
/** A guest at rest shows its measures once in so long: a shorter window has all of them or none. */
const AT_REST_SECONDS = 180;
const RUN_TIMES_EVERY_MS = 1_000;

export async function benchAgent({ seconds, onProgress }: AgentBenchOptions): Promise<AgentBenchResult> {
  const lab = await startLab({ dir: "bench-agent" });
  try {
    const guest = await lab.boot({ name: "measured", vcpus: VCPUS, memoryMiB: 1_024, agent: "vbal" });
    await guest.waitReady();
    const rows: AgentBenchRow[] = [];
    for (const load of LOADS) {
      rows.push(await underLoad(guest, load, seconds));
      onProgress(progressOf(rows.at(-1)!));
    }
    return { host: { ...hostFacts(), accelerator: lab.accelerator }, vcpus: VCPUS, rows };
  } finally {
    await lab.down();
  }
}

async function underLoad(guest: Guest, load: Load, leastSeconds: number): Promise<AgentBenchRow> {
  const seconds = load.command === null ? Math.max(leastSeconds, AT_REST_SECONDS) : leastSeconds;
  const host = hostOf(guest, load.measuresEveryMs);
  try {
    if (load.command !== null) await guest.output(["sh", "-c", `(${load.command}) > /dev/null 2>&1 &`]);
    await sleep(load.command === null ? SETTLE_AT_REST_MS : SETTLE_MS);
    host.count();
    const before = await seen(guest);
    await sleep(1_000 * seconds);
    const after = await seen(guest);
    const { measures, degraded } = host.count();
    const elapsed = after.usage.atSeconds - before.usage.atSeconds;
    return {
      load: load.name,
      measuresEveryMs: load.measuresEveryMs,
      seconds: elapsed,
      cpuPercent: agentPercent(before.usage, after.usage),
      rssBytes: after.usage.rssBytes,
      threads: after.threads,
      switchesPerSecond: (after.switches - before.switches) / elapsed,
      measures,
      degraded,
    };
  } finally {
    host.end();
    if (load.command !== null) await guest.output(["sh", "-c", "killall -9 pattern; true"]);
  }
}

/** The host's end of the channel, as the daemon works it. */
function hostOf(guest: Guest, measuresEveryMs: number) {
  let measures = 0;
  let last: readonly unknown[] = [];
  const channel = createVbalAgentChannel({
    path: guest.agentSocket,
    timers: nodeTimers,
    onChange: () => undefined,
  });
  channel.setMonitor({ on: true, measuresEveryMs, thresholds: [] });
  const timer = setInterval(() => {
    const load = channel.load();
    if (load !== null && load.measures !== last) measures += 1;
    last = load?.measures ?? [];
    void guest.vcpuThreads().then((threads) =>
      channel.runTimes(
        threads.map(({ index, tid }) => ({
          vcpu: index,
          runNs: Number(readFileSync(`/proc/${guest.pid}/task/${tid}/schedstat`, "latin1").split(" ")[0]),
        })),
      ),
    );
  }, RUN_TIMES_EVERY_MS);
  return {
    /** Since the last count. */
    count() {
      const counted = measures;
      measures = 0;
      return { measures: counted, degraded: channel.load()?.degraded ?? [] };
    },
    end() {
      clearInterval(timer);
      channel.close();
    },
  };
}

async function seen(guest: Guest) {
  const usage = await agentUsage(guest);
  const printed = await guest.output(["sh", "-c", "cat /proc/loadavg; grep ctxt /proc/stat"]);
  return {
    usage,
    threads: Number(/\/(\d+)/.exec(printed)?.[1]),
    switches: Number(/^ctxt (\d+)$/m.exec(printed)?.[1]),
  };
}

function progressOf({ load, cpuPercent }: AgentBenchRow): string {
  return `${load.padEnd(32)} ${cpuPercent.toFixed(2)} % of a vCPU`;
}
