/**
 * What lending is worth: two guests with bursts in turn and a third with a steady load, on a simulated host of twelve
 * pCPUs in virtual time, with the shipped controller. The same bursts under demand mode and under strict weights; the time
 * that all of them take, and how long the steady guest ever had less than it is due.
 *
 * Every guest is due four pCPUs. A burst is an amount of pCPU time, drawn from the seed, for twice as many threads as the
 * guest has vCPUs; when it is done, the other guest's burst begins. Guests ask as the shipped monitor's defaults say:
 * when more than 1.5 threads per vCPU were runnable at two samples in a row. The host shares its pCPUs fairly and is no
 * model of speed: what is compared is who may use how many of them.
 */
import type { CommandOutcome } from "../../core/event.ts";
import { DEFAULT_POLICY, type Policy } from "../../core/policy.ts";
import type { VcpuRequest } from "../../core/request.ts";
import { unreachable } from "../../core/unreachable.ts";
import { UsageWindow } from "../../daemon/usage_window.ts";
import { CommandError, type DomainUsage, type Hypervisor } from "../../hypervisor/port.ts";
import { createSimulatedHost, type SimulatedHost } from "../../hypervisor/simulated/simulated_host.ts";
import { type CommandAction, SimulatedShell } from "../../sim/controller/simulated_shell.ts";
import { seeded } from "../seeded.ts";
import { type Interval, ratioInterval } from "../statistics.ts";
import { AskingGuest } from "./asking_guest.ts";

export interface DemandBenchOptions {
  /** One series of bursts each. */
  readonly seeds: number;
  readonly burstSeconds: readonly [least: number, most: number];
  readonly onProgress: (line: string) => void;
}

export const DEMAND_MODES = ["strict", "demand"] as const;
export type DemandMode = (typeof DEMAND_MODES)[number];

export interface DemandRow {
  readonly seed: number;
  readonly mode: DemandMode;
  /** Until the last burst was done. */
  readonly seconds: number;
  /** pCPU time of all bursts. */
  readonly workSeconds: number;
  readonly requests: number;
  readonly granted: number;
  /** The longest time that the steady guest used less than it is due. */
  readonly steadyBelowMs: number;
}

export interface DemandBenchResult {
  readonly pcpus: number;
  readonly seeds: number;
  readonly burstsPerSeed: number;
  readonly burstSeconds: readonly [least: number, most: number];
  /** Time under demand mode over time under strict weights, median over the seeds; the target is 0.7 or less. */
  readonly demandOverStrict: { readonly ratio: number; readonly ci95: Interval };
  readonly steadyBelowMs: Readonly<Record<DemandMode, number>>;
  readonly rows: readonly DemandRow[];
}

const PCPUS = 12;
const VCPUS = 12;
const DUE = 4;
const BURSTS = 8;
const STEP_MS = 50;
const LOOK_EVERY_MS = 1_000;
/** What is due is judged over a second, less what the host's quantum takes from it. */
const BELOW_PART = 0.95;
/** Everybody is seen and planned by then. */
const SETTLE_MS = 5_000;
/** A series ends long before; beyond this something is stuck. */
const SERIES_MS_MAX = 8 * 3_600_000;
const DEADLINE_MS = 15_000;
const NS_PER_MS = 1_000_000;

export async function benchDemand(options: DemandBenchOptions): Promise<DemandBenchResult> {
  const rows: DemandRow[] = [];
  for (let seed = 1; seed <= options.seeds; seed++) {
    for (const mode of DEMAND_MODES) rows.push(await series(seed, mode, options.burstSeconds));
    const [strict, demand] = rows.slice(-2) as [DemandRow, DemandRow];
    options.onProgress(
      `seed ${seed}: strict ${strict.seconds} s, demand ${demand.seconds} s, steady guest below its due for ${demand.steadyBelowMs} ms`,
    );
  }
  const of = (mode: DemandMode) => rows.filter((row) => row.mode === mode);
  const seconds = (mode: DemandMode) => of(mode).map((row) => row.seconds);
  const worst = (mode: DemandMode) => Math.max(0, ...of(mode).map((row) => row.steadyBelowMs));
  return {
    pcpus: PCPUS,
    seeds: options.seeds,
    burstsPerSeed: BURSTS,
    burstSeconds: options.burstSeconds,
    demandOverStrict: ratioInterval(seconds("demand"), seconds("strict")),
    steadyBelowMs: { strict: worst("strict"), demand: worst("demand") },
    rows,
  };
}

async function series(seed: number, mode: DemandMode, range: readonly [number, number]): Promise<DemandRow> {
  const draw = seeded(seed);
  const [least, most] = range;
  const bursts = Array.from({ length: BURSTS }, () => DUE * (least + draw(most - least + 1)));
  const stage = new Stage(mode);
  await stage.begin();
  const begin = stage.now;
  for (const [turn, workSeconds] of bursts.entries()) {
    await stage.burst(turn % 2 === 0 ? "left" : "right", workSeconds);
  }
  return {
    seed,
    mode,
    seconds: (stage.now - begin) / 1_000,
    workSeconds: bursts.reduce((sum, work) => sum + work, 0),
    ...stage.counts(),
  };
}

class Stage {
  readonly #host: SimulatedHost = createSimulatedHost({ pcpus: PCPUS });
  readonly #door: Hypervisor = this.#host.connect();
  readonly #shell: SimulatedShell;
  readonly #usage = new UsageWindow();
  readonly #guests = ["left", "right", "steady"].map((id) => new AskingGuest(id));
  #ran: readonly DomainUsage[] = [];
  #asked: VcpuRequest[] = [];
  #lookAt = 0;
  #steady: { readonly at: number; readonly ranMs: number }[] = [];
  #belowSince: number | null = null;
  #belowMs = 0;

  constructor(mode: DemandMode) {
    const policy: Policy = { ...DEFAULT_POLICY, admission: { mode, loansMax: null } };
    this.#shell = new SimulatedShell({
      policy,
      carryOut: (action) => {
        void this.#carryOut(action).then((outcome) => {
          this.#shell.commandEnded(action.id, outcome);
          this.#lookAt = 0;
        });
      },
      answer: ({ domain, request, answer }) => {
        this.#guests.find(({ id }) => id === domain)?.hear(request, answer, this.now);
      },
      wakeAt: (at) => {
        this.#lookAt = Math.min(this.#lookAt, at);
      },
    });
  }

  get now(): number {
    return this.#host.now();
  }

  async begin(): Promise<void> {
    for (const id of ["left", "right", "steady"]) {
      this.#host.arrive({ id, vcpus: VCPUS, busyThreads: id === "steady" ? DUE : 0, hasMonitor: true });
      this.#door.setMonitor(id, { on: true, measuresEveryMs: 0, thresholds: [] });
    }
    await this.#door.start((change) => {
      if (change.kind === "guest-asked") this.#asked.push(change.request);
      else this.#lookAt = 0;
    });
    this.#shell.start(this.now);
    const end = this.now + SETTLE_MS;
    while (this.now < end) await this.#pass();
    this.#steady = [];
    this.#belowMs = 0;
  }

  /** Resolves when the guest has had `workSeconds` of pCPU time. */
  async burst(id: string, workSeconds: number): Promise<void> {
    const end = this.#ranMs(id) + 1_000 * workSeconds;
    this.#host.setBusyThreads(id, VCPUS);
    this.#guests.find((guest) => guest.id === id)!.threads = 2 * VCPUS;
    const late = this.now + SERIES_MS_MAX;
    while (this.#ranMs(id) < end) {
      if (late < this.now) throw new Error(`The burst of ${id} does not end`);
      await this.#pass();
    }
    this.#host.setBusyThreads(id, 0);
    this.#guests.find((guest) => guest.id === id)!.threads = 0;
  }

  counts(): Pick<DemandRow, "requests" | "granted" | "steadyBelowMs"> {
    const sum = (pick: (guest: AskingGuest) => number) =>
      this.#guests.reduce((total, guest) => total + pick(guest), 0);
    return {
      requests: sum(({ requests }) => requests),
      granted: sum(({ granted }) => granted),
      steadyBelowMs: this.#belowMs,
    };
  }

  async #pass(): Promise<void> {
    await this.#host.advance(STEP_MS);
    const { snapshot, usage } = await this.#door.observe(DEADLINE_MS);
    this.#ran = usage;
    for (const guest of this.#guests) {
      const online = snapshot.domains.find(({ id }) => id === guest.id)?.guest?.vcpus.filter((v) => v.online);
      const request = guest.look(online?.length ?? VCPUS, this.now);
      if (request !== null) this.#host.ask(request);
    }
    if (this.#lookAt <= this.now || this.#asked.length > 0) await this.#look();
    const asked = this.#asked.splice(0);
    if (asked.length > 0) this.#shell.request(asked, this.now);
    this.#watchSteady();
  }

  async #look(): Promise<void> {
    this.#lookAt = this.now + LOOK_EVERY_MS;
    this.#shell.beginLook();
    const { snapshot, usage } = await this.#door.observe(DEADLINE_MS);
    this.#usage.push(usage, this.now);
    this.#shell.endLook(snapshot, this.now, this.#usage.newUse() ?? undefined);
  }

  /** Over the last second; the time below is counted from the end of the last second that was enough. */
  #watchSteady(): void {
    this.#steady.push({ at: this.now, ranMs: this.#ranMs("steady") });
    this.#steady = this.#steady.filter(({ at }) => this.now - 1_000 <= at);
    const [first, last] = [this.#steady[0]!, this.#steady.at(-1)!];
    if (last.at - first.at < 1_000) return;
    const isBelow = last.ranMs - first.ranMs < BELOW_PART * DUE * (last.at - first.at);
    if (!isBelow) this.#belowSince = null;
    else {
      this.#belowSince ??= last.at - STEP_MS;
      this.#belowMs = Math.max(this.#belowMs, last.at - this.#belowSince);
    }
  }

  /** As of the last pass. */
  #ranMs(id: string): number {
    const own = this.#ran.find(({ domain }) => domain === id)?.vcpus ?? [];
    return own.reduce((sum, { run }) => sum + (run ?? 0), 0) / NS_PER_MS;
  }

  async #carryOut(action: CommandAction): Promise<CommandOutcome> {
    try {
      await this.#call(action);
      return { ok: true };
    } catch (error) {
      if (error instanceof CommandError) return { ok: false, failure: error.failure, why: error.message };
      throw error;
    }
  }

  async #call(action: CommandAction): Promise<unknown> {
    const door = this.#door;
    switch (action.kind) {
      case "pin-vcpu":
        return door.pinVcpu(action.domain, action.vcpu, action.pcpus, DEADLINE_MS);
      case "pin-emulator":
        return door.pinEmulator(action.domain, action.pcpus, DEADLINE_MS);
      case "set-online":
        return door.setOnline(action.domain, action.online, action.mechanism, DEADLINE_MS);
      case "plug-vcpu":
        return door.plugVcpu(action.domain, action.slot, DEADLINE_MS);
      case "unplug-vcpu":
        return door.unplugVcpu(action.domain, action.vcpu, DEADLINE_MS);
      default:
        return unreachable(action);
    }
  }
}
