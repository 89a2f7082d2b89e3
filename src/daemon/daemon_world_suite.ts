/**
 * The shipped daemon on a simulated host, in virtual time: the daemon's timers are vitest's, the host's its own, and
 * both move together. Everything else is real: journal, overrides, control socket.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, vi } from "vitest";
import type { ControllerState } from "../core/controller_state.ts";
import type { ControllerEvent } from "../core/event.ts";
import type { DomainSnapshot, Pcpu, Snapshot } from "../core/model.ts";
import { DEFAULT_POLICY, type Policy } from "../core/policy.ts";
import type { Hypervisor, Observation } from "../hypervisor/port.ts";
import { createSimulatedHost, type SimulatedHost } from "../hypervisor/simulated/simulated_host.ts";
import type { SimulatedDomainSpec } from "../hypervisor/simulated/world.ts";
import { type Config, DEFAULT_CONFIG } from "../protocol/config.ts";
import { decodeJournal } from "../protocol/journal.ts";
import { startApiHere } from "./api/start_api_here.ts";
import { Daemon, type LogLine } from "./daemon.ts";
import type { History } from "./history/start_history.ts";
import type { ControllerRecord } from "./replay.ts";

/** Half the daemon's period is a look between any two; a guest's reaction is shorter. */
const STEP_MS = 250;
/** The host's time starts here, so that it looks like a clock's. */
const EPOCH_MS = 1_700_000_000_000;

export interface DaemonWorldOptions {
  readonly pcpus: number | readonly Pcpu[];
  readonly policy?: Partial<Policy>;
  readonly maxBytes?: number;
  /** So many looks after a start do not show every domain yet, as with a monitor that is slow to answer. */
  readonly looksUntilAllSeen?: number;
  /** Who is there from the beginning. */
  readonly domains?: readonly SimulatedDomainSpec[];
  /** Stands between the daemon and the host. */
  readonly between?: (door: Hypervisor) => Hypervisor;
}

const NO_HISTORY: History = {
  keep: () => undefined,
  meters: { bytes: null, waiting: 0, leftOut: 0 },
  close: () => Promise.resolve(),
};

/** To be called once in a test file: opens worlds that are closed after each test. */
export function worlds(): (options: DaemonWorldOptions) => DaemonWorld {
  const open: DaemonWorld[] = [];
  afterEach(async () => {
    for (const world of open.splice(0)) await world.dispose();
  });
  return (options) => {
    const world = new DaemonWorld(options);
    open.push(world);
    return world;
  };
}

export class DaemonWorld {
  readonly host: SimulatedHost;
  readonly folder = mkdtempSync(join(tmpdir(), "vbal-daemon-test-"));
  readonly log: LogLine[] = [];
  config: Config;
  /** The last that a daemon saw. */
  seen: Snapshot | null = null;
  #daemon: Daemon | null = null;
  readonly #options: DaemonWorldOptions;
  readonly #eye: Hypervisor;

  constructor(options: DaemonWorldOptions) {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
    this.#options = options;
    this.host = createSimulatedHost({ pcpus: options.pcpus });
    for (const spec of options.domains ?? []) this.host.arrive(spec);
    this.#eye = this.host.connect();
    const { maxBytes = DEFAULT_CONFIG.journal.maxBytes } = options;
    this.config = {
      ...DEFAULT_CONFIG,
      policy: { ...DEFAULT_POLICY, ...options.policy },
      journal: { path: join(this.folder, "journal.jsonl"), maxBytes },
      control: { socket: join(this.folder, "control.sock") },
    };
  }

  get daemon(): Daemon {
    if (this.#daemon === null) throw new Error("The test has no daemon: start one");
    return this.#daemon;
  }

  get texts(): readonly string[] {
    return this.log.map(({ text }) => text);
  }

  async start(): Promise<this> {
    const door = this.host.connect();
    const { looksUntilAllSeen = 0 } = this.#options;
    let looks = 0;
    const watched: Hypervisor = {
      ...door,
      observe: async (deadline) => {
        const whole: Observation = await door.observe(deadline);
        looks += 1;
        const shown = whole.snapshot.domains.filter((_, i) => i % 2 === 0 || looksUntilAllSeen < looks);
        const observation = { ...whole, snapshot: { ...whole.snapshot, domains: shown } };
        this.seen = observation.snapshot;
        return observation;
      },
    };
    this.#daemon = new Daemon({
      config: this.config,
      configFile: null,
      hypervisor: this.#options.between?.(watched) ?? watched,
      version: "test",
      log: (line) => this.log.push(line),
      clock: { now: () => EPOCH_MS + this.host.now() },
      // Daemons are started here by the hundred; threads have tests of their own.
      threads: { startApi: startApiHere, startHistory: () => NO_HISTORY },
    });
    await this.#daemon.start();
    return this;
  }

  /** As kill -9 would: nothing is put back. */
  async kill(): Promise<void> {
    await this.daemon.kill();
    this.#daemon = null;
  }

  /** Resolves with the domains that could not be put back. */
  async stop(): Promise<readonly string[]> {
    const stopping = this.daemon.stop();
    let over = false;
    void stopping.finally(() => {
      over = true;
    });
    while (!over) await this.pass(STEP_MS);
    this.#daemon = null;
    return stopping;
  }

  /** Starts a daemon and gives it time to do what it wants at first. */
  async settle(ms = 3_000): Promise<this> {
    await this.start();
    return this.pass(ms);
  }

  async pass(ms: number): Promise<this> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      await vi.advanceTimersByTimeAsync(STEP_MS);
      await this.host.advance(STEP_MS);
    }
    return this;
  }

  /** The host as it is, whatever the daemon believes. */
  async truth(): Promise<Snapshot> {
    return (await this.#eye.observe(0)).snapshot;
  }

  async domain(id: string): Promise<DomainSnapshot> {
    const found = (await this.truth()).domains.find((domain) => domain.id === id);
    if (found === undefined) throw new Error(`The test has no domain ${id}`);
    return found;
  }

  /** `[[0], [1]]`: where each vCPU may run. */
  async pins(id: string): Promise<readonly (readonly number[] | null)[]> {
    return (await this.domain(id)).vcpus.map(({ pins }) => pins);
  }

  /** Also of a guest that does not say so. */
  async online(id: string): Promise<readonly number[] | null> {
    const { guest } = await this.domain(id);
    return guest?.vcpus.filter(({ online }) => online).map(({ index }) => index) ?? null;
  }

  /** The journal's files, oldest first, each with its records. */
  journals(): readonly (readonly ControllerRecord[])[] {
    const { path } = this.config.journal;
    return [`${path}.3`, `${path}.2`, `${path}.1`, path]
      .filter((file) => existsSync(file))
      .map((file) => {
        const journal = decodeJournal<ControllerEvent, ControllerState>(readFileSync(file, "latin1"));
        if ("unreadable" in journal) throw new Error(journal.unreadable);
        if (journal.damage.length > 0) throw new Error(JSON.stringify(journal.damage));
        return journal.records;
      });
  }

  async dispose(): Promise<void> {
    await this.#daemon?.kill();
    this.#daemon = null;
    vi.useRealTimers();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
