/**
 * Balloon latency on a real, idle guest: from the call that sends a target until the guest has confirmed it, through
 * the shipped adapter and agent, beside two other ways to take and give the same vCPU of the same guest:
 *
 * - `write`: the bare write to sysfs, timed inside the guest by its own clock (src/lab/guest/vcpu_write.c): the floor;
 * - `offline`, `isolate`: vbal's agent by each of its mechanisms;
 * - `stock`: the stock qemu-guest-agent, through the same adapter.
 *
 * Ways take turns within a round, in an order that changes from round to round.
 */
import { z } from "zod";
import type { BalloonMechanism } from "../../core/model.ts";
import type { Hypervisor } from "../../hypervisor/port.ts";
import { createQmpAdapter } from "../../hypervisor/qmp/qmp_adapter.ts";
import type { Guest } from "../../lab/guest.ts";
import { type Lab, startLab } from "../../lab/lab.ts";
import { guestPaths } from "../../lab/qemu_arguments.ts";
import { type HostFacts, hostFacts } from "../host_facts.ts";
import { type Interval, percentile, percentileInterval, ratioInterval } from "../statistics.ts";

export const WAYS = ["write", "offline", "isolate", "stock"] as const;
export type Way = (typeof WAYS)[number];

export const DIRECTIONS = ["take", "give"] as const;
export type Direction = (typeof DIRECTIONS)[number];

export interface BalloonBenchOptions {
  /** How often every way takes and gives the vCPU, for each size of guest. */
  readonly runs: number;
  /** Sizes of the guests, each in vCPUs; the last vCPU is the one that goes and comes. */
  readonly vcpus: readonly number[];
  readonly onProgress: (line: string) => void;
}

/** One way in one round: milliseconds to take the vCPU and to give it back. */
export interface BalloonBenchRow {
  readonly vcpus: number;
  readonly round: number;
  readonly way: Way;
  readonly take: number;
  readonly give: number;
}

export interface BalloonSummary {
  readonly vcpus: number;
  readonly way: Way;
  readonly direction: Direction;
  readonly p50: number;
  readonly p50Ci95: Interval;
  readonly p90: number;
  readonly p90Ci95: Interval;
  readonly p99: number;
  readonly p99Ci95: Interval;
  /** Over the bare write of the same round, median and interval. */
  readonly overWrite: { readonly ratio: number; readonly ci95: Interval };
}

export interface BalloonBenchResult {
  readonly host: HostFacts & { readonly accelerator: string };
  readonly runs: number;
  readonly summary: readonly BalloonSummary[];
  readonly rows: readonly BalloonBenchRow[];
}

/** A vCPU of an emulated guest on a crowded host goes within seconds. */
const DEADLINE_MS = 30_000;
const BOOT_MS_MAX = 120_000;
/** First times load pages and fill caches; they are not what a daemon that runs for months sees. */
const WARM_UP_ROUNDS = 3;

export async function benchBalloon(options: BalloonBenchOptions): Promise<BalloonBenchResult> {
  const host = hostFacts();
  const lab = await startLab({ dir: "bench-balloon" });
  try {
    const rows: BalloonBenchRow[] = [];
    for (const vcpus of options.vcpus) {
      rows.push(...(await benchGuest(lab, { ...options, vcpus })));
    }
    return {
      host: { ...host, accelerator: lab.accelerator },
      runs: options.runs,
      summary: summarise(rows, options.vcpus),
      rows,
    };
  } finally {
    await lab.down();
  }
}

async function benchGuest(
  lab: Lab,
  { vcpus, runs, onProgress }: Omit<BalloonBenchOptions, "vcpus"> & { readonly vcpus: number },
): Promise<BalloonBenchRow[]> {
  const guest = await lab.boot({ name: `balloon-${vcpus}`, vcpus, agent: "vbal" });
  await guest.waitReady();
  await guest.output(["setsid", "sh", "-c", `${STOCK_AGENT} >/dev/null 2>&1 </dev/null &`]);
  // QEMU's monitors take one connection each; the lab's own is free, because nothing here asks the lab for it.
  const { labQmp } = guestPaths(lab.folder, guest.name);
  const own = createQmpAdapter({
    domains: [{ name: guest.name, qmp: guest.qmpSocket, agent: guest.agentSocket }],
  });
  const stock = createQmpAdapter({ domains: [{ name: guest.name, qmp: labQmp, qga: guest.qgaSocket }] });
  try {
    for (const door of [own, stock]) await untilHeard(door);
    const rows: BalloonBenchRow[] = [];
    for (let round = -WARM_UP_ROUNDS; round < runs; round++) {
      for (const way of rotated(WAYS, round + WARM_UP_ROUNDS)) {
        const times = await timesOf(way, { guest, vcpus, own, stock });
        if (0 <= round) rows.push({ vcpus, round, way, ...times });
      }
      if (round % 10 === 9) onProgress(`${vcpus} vCPUs: ${round + 1} of ${runs} rounds`);
    }
    return rows;
  } finally {
    await Promise.all([own.close(), stock.close()]);
    await guest.stop();
  }
}

const STOCK_AGENT = "/usr/sbin/qemu-ga -m virtio-serial -p /dev/virtio-ports/org.qemu.guest_agent.0 -t /run";

async function untilHeard(door: Hypervisor): Promise<void> {
  await door.start(() => undefined);
  const end = performance.now() + BOOT_MS_MAX;
  for (;;) {
    const { snapshot, problems } = await door.observe(DEADLINE_MS);
    if (snapshot.domains[0]?.guest) return;
    if (end < performance.now()) throw new Error(`The guest's agent is silent: ${JSON.stringify(problems)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

interface Stage {
  readonly guest: Guest;
  readonly vcpus: number;
  readonly own: Hypervisor;
  readonly stock: Hypervisor;
}

function timesOf(way: Way, stage: Stage): Promise<Readonly<Record<Direction, number>>> {
  switch (way) {
    case "write":
      return writeTimes(stage);
    case "offline":
    case "isolate":
      return commandTimes(stage, { door: stage.own, mechanism: way });
    case "stock":
      return commandTimes(stage, { door: stage.stock, mechanism: "offline" });
  }
}

const WRITE_TIMES = z.object({ offline: z.number(), online: z.number() });

async function writeTimes({ guest, vcpus }: Stage): Promise<Readonly<Record<Direction, number>>> {
  const printed = await guest.output(["/lab/vcpu_write", String(vcpus - 1)]);
  const { offline, online } = WRITE_TIMES.parse(JSON.parse(printed));
  return { take: offline, give: online };
}

async function commandTimes(
  { guest, vcpus }: Stage,
  how: { readonly door: Hypervisor; readonly mechanism: BalloonMechanism },
): Promise<Readonly<Record<Direction, number>>> {
  const all = Array.from({ length: vcpus }, (_, vcpu) => vcpu);
  const timed = async (online: readonly number[]): Promise<number> => {
    const begin = performance.now();
    const confirmed = await how.door.setOnline(guest.name, online, how.mechanism, DEADLINE_MS);
    const took = performance.now() - begin;
    if (String(confirmed) !== String(online)) {
      throw new Error(`Guest ${guest.name} uses vCPUs ${confirmed.join(",")}, not ${online.join(",")}`);
    }
    return took;
  };
  const take = await timed(all.slice(0, -1));
  return { take, give: await timed(all) };
}

function summarise(rows: readonly BalloonBenchRow[], sizes: readonly number[]): BalloonSummary[] {
  return sizes.flatMap((vcpus) =>
    WAYS.flatMap((way) =>
      DIRECTIONS.map((direction): BalloonSummary => {
        const of = (wanted: Way) =>
          rows.filter((row) => row.vcpus === vcpus && row.way === wanted).map((row) => row[direction]);
        const times = of(way);
        return {
          vcpus,
          way,
          direction,
          p50: percentile(times, 0.5),
          p50Ci95: percentileInterval(times, 0.5),
          p90: percentile(times, 0.9),
          p90Ci95: percentileInterval(times, 0.9),
          p99: percentile(times, 0.99),
          p99Ci95: percentileInterval(times, 0.99),
          overWrite: ratioInterval(times, of("write")),
        };
      }),
    ),
  );
}

function rotated<Item>(items: readonly Item[], by: number): Item[] {
  return items.map((_, i) => items[(i + by) % items.length]!);
}
