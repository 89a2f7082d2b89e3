/**
 * What `npm start` shows: two real guests run a synchronising program, first as the host schedules them, then under
 * vbal. This is the play; src/cli/render_demo.ts draws it.
 */

import { rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { DEFAULT_POLICY } from "../core/policy.ts";
import { Daemon, type LogLine } from "../daemon/daemon.ts";
import { createQmpAdapter } from "../hypervisor/qmp/qmp_adapter.ts";
import { DEFAULT_CONFIG } from "../protocol/config.ts";
import type { StateView } from "../protocol/state_view.ts";
import type { Guest } from "./guest.ts";
import { type Lab, startLab } from "./lab.ts";

/** Long enough for a steady rate, short enough that the whole point is made within two minutes. */
export const DEFAULT_STAGE_SECONDS = 20;
/** The rates of a stage are quoted without its first seconds, in which threads start and guests change. */
const WARM_UP_SECONDS = 3;
const PROGRAM_SECONDS_MAX = 24 * 3600;

export interface DemoState {
  readonly stage: "booting" | "default" | "vbal";
  readonly secondsInStage: number;
  /** How long the stage of default scheduling lasts. */
  readonly defaultSeconds: number;
  readonly accelerator: string;
  readonly pcpus: number;
  readonly guests: readonly DemoGuest[];
  readonly view: StateView | null;
  readonly controlSocket: string;
}

export interface DemoGuest {
  readonly name: string;
  readonly weight: number;
  /** Rounds of the program per second, the mean of the stage so far; null before there is one. */
  readonly defaultRate: number | null;
  readonly vbalRate: number | null;
  readonly rateNow: number | null;
}

export interface DemoOptions {
  readonly version: string;
  readonly defaultSeconds: number;
  /** Ends the demo; everything is put back and torn down. */
  readonly signal: AbortSignal;
  readonly onState: (state: DemoState) => void;
  readonly log: (line: LogLine) => void;
}

/** Resolves with the last state when the signal comes. Throws when the guests do not come up. */
export async function runDemo(options: DemoOptions): Promise<DemoState> {
  const cast = castFor(availableParallelism());
  const lab = await startLab({ dir: "demo" });
  try {
    return await play(lab, cast, options);
  } finally {
    await lab.down();
  }
}

interface Cast {
  readonly pcpus: readonly number[];
  readonly weights: Readonly<Record<string, number>>;
}

/** On three pCPUs and more the weights differ, so that the picture shows them. */
function castFor(hostPcpus: number): Cast {
  const count = 6 <= hostPcpus ? 6 : Math.min(3, hostPcpus);
  const weights = 3 <= count ? { alpha: 512, beta: 256 } : { alpha: 256, beta: 256 };
  return { pcpus: Array.from({ length: count }, (_, pcpu) => pcpu), weights };
}

async function play(lab: Lab, { pcpus, weights }: Cast, options: DemoOptions): Promise<DemoState> {
  const journalFolder = join(lab.folder, "journal");
  rmSync(journalFolder, { recursive: true, force: true });
  const controlSocket = join(lab.folder, "control.sock");
  const tallies = Object.keys(weights).map((name) => new Tally(name, weights[name]!));
  const { defaultSeconds, onState } = options;
  const show = new Show({ lab, pcpus, tallies, controlSocket, defaultSeconds, onState });
  show.draw();

  const guests = await Promise.all(
    tallies.map(({ name }) => lab.boot({ name, vcpus: pcpus.length, agent: "vbal", pcpus })),
  );
  await Promise.all(guests.map((guest) => guest.waitReady()));

  // At first every domain is opted out: the daemon only looks on.
  const policy = { ...DEFAULT_POLICY, pool: pcpus };
  const daemon = new Daemon({
    config: {
      ...DEFAULT_CONFIG,
      policy: { ...policy, defaults: { ...policy.defaults, managed: false } },
      journal: { ...DEFAULT_CONFIG.journal, path: join(journalFolder, "journal.jsonl") },
      control: { socket: controlSocket },
    },
    configFile: null,
    hypervisor: createQmpAdapter({ directory: lab.folder }),
    version: options.version,
    log: options.log,
  });
  await daemon.start();
  show.daemon = daemon;
  const ticking = setInterval(() => show.draw(), 500);
  try {
    const programs = runPrograms(guests, tallies, show, options.signal);
    await Promise.race([seconds(options.defaultSeconds, options.signal), programs]);
    if (!options.signal.aborted) {
      show.begin("vbal");
      for (const { name, weight } of tallies) daemon.setDomain(name, { managed: true, weight });
      await Promise.race([aborted(options.signal), programs]);
    }
  } finally {
    clearInterval(ticking);
    show.draw();
    await daemon.stop();
  }
  return show.state();
}

async function runPrograms(
  guests: readonly Guest[],
  tallies: readonly Tally[],
  show: Show,
  signal: AbortSignal,
): Promise<void> {
  show.begin("default");
  await Promise.all(
    guests.map((guest, i) =>
      guest
        .rate("mm", {
          seconds: PROGRAM_SECONDS_MAX,
          follow: true,
          signal,
          onRate: ({ rate }) => tallies[i]!.add(rate, show.stage, show.secondsInStage()),
        })
        .catch((error: unknown) => {
          if (!signal.aborted) throw error;
        }),
    ),
  );
}

/** The rates of one guest. */
class Tally {
  readonly name: string;
  readonly weight: number;
  #now: number | null = null;
  readonly #rates: { default: number[]; vbal: number[] } = { default: [], vbal: [] };

  constructor(name: string, weight: number) {
    this.name = name;
    this.weight = weight;
  }

  add(rate: number, stage: DemoState["stage"], secondsInStage: number): void {
    this.#now = rate;
    if (stage === "booting" || secondsInStage < WARM_UP_SECONDS) return;
    this.#rates[stage].push(rate);
  }

  get state(): DemoGuest {
    const { name, weight } = this;
    const { default: before, vbal } = this.#rates;
    return { name, weight, defaultRate: mean(before), vbalRate: mean(vbal), rateNow: this.#now };
  }
}

interface ShowParts {
  readonly lab: Lab;
  readonly pcpus: readonly number[];
  readonly tallies: readonly Tally[];
  readonly controlSocket: string;
  readonly defaultSeconds: number;
  readonly onState: (state: DemoState) => void;
}

/** Where the play stands. */
class Show {
  daemon: Daemon | null = null;
  stage: DemoState["stage"] = "booting";
  #since = Date.now();
  readonly #parts: ShowParts;

  constructor(parts: ShowParts) {
    this.#parts = parts;
  }

  begin(stage: DemoState["stage"]): void {
    this.stage = stage;
    this.#since = Date.now();
  }

  secondsInStage(): number {
    return (Date.now() - this.#since) / 1000;
  }

  state(): DemoState {
    const { lab, pcpus, tallies, controlSocket, defaultSeconds } = this.#parts;
    return {
      stage: this.stage,
      secondsInStage: Math.floor(this.secondsInStage()),
      defaultSeconds,
      accelerator: lab.accelerator,
      pcpus: pcpus.length,
      guests: tallies.map((tally) => tally.state),
      view: this.daemon?.view() ?? null,
      controlSocket,
    };
  }

  draw(): void {
    this.#parts.onState(this.state());
  }
}

function mean(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function seconds(count: number, signal: AbortSignal): Promise<void> {
  return Promise.race([aborted(signal), new Promise<void>((resolve) => setTimeout(resolve, count * 1000))]);
}
