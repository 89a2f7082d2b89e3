/**
 * The daemon: puts the loop, the journal, the config file and the control socket together. It decides nothing.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { THRESHOLD_IDS } from "../agent/monitor/thresholds.ts";
import type { Policy } from "../core/policy.ts";
import type { Milliseconds } from "../core/units.ts";
import type { DefinedDomain, DomainLoad, Hypervisor, Observation, Problem } from "../hypervisor/port.ts";
import { type Config, parseConfig } from "../protocol/config.ts";
import { digestOf } from "../protocol/digest.ts";
import { renderFault } from "../protocol/fault.ts";
import { type PlanView, planView } from "../protocol/plan_view.ts";
import type { StateView } from "../protocol/state_view.ts";
import type { Answer, Refused, RequestAnswer } from "./api/api_target.ts";
import type { ChangesByDomain, PreviewParts } from "./api/preview.ts";
import type { ApiServer } from "./api/serve_api.ts";
import { type StartApi, startApi } from "./api/start_api.ts";
import { type Clock, systemClock } from "./clock.ts";
import { type ConfigWatch, watchConfig } from "./config_watch.ts";
import { ControlLoop, type StepTaken } from "./control_loop.ts";
import {
  describeMonitorChange,
  GuestMonitors,
  type MonitorLayers,
  monitorChanges,
} from "./guest_monitors.ts";
import { type History, type HistoryOptions, startHistory } from "./history/start_history.ts";
import { HostRequests } from "./host_requests.ts";
import { JournalFile } from "./journal_file.ts";
import type { Meters } from "./metrics/meters.ts";
import { NoteLog } from "./note_log.ts";
import {
  monitorOverrides,
  type Overrides,
  override,
  readOverrides,
  withOverrides,
  writeOverrides,
} from "./overrides.ts";
import { type PauseFile, pauseFile } from "./pause_file.ts";
import { overBase, overDefined } from "./policy_layers.ts";
import { RequestLog } from "./request_log.ts";
import { stateViewOf } from "./state_view_of.ts";
import type { Stopwatch } from "./stopwatch.ts";
import { Telemetry } from "./telemetry.ts";
import { threadFile } from "./thread_file.ts";
import { growWithHost } from "./tune_v8.ts";
import { UsageWindow } from "./usage_window.ts";

export interface DaemonOptions {
  readonly config: Config;
  /** Where the config came from; it is watched. Null for none. */
  readonly configFile: string | null;
  readonly hypervisor: Hypervisor;
  /** What the host itself says its domains are due; the config lies over it. */
  readonly basePolicy?: Policy;
  readonly version: string;
  /** One line for a person: what was decided, what went wrong. */
  readonly log: (line: LogLine) => void;
  readonly clock?: Clock;
  /** How the API and the history are started; each in a thread of its own when absent. */
  readonly threads?: Threads;
  /** What the loop's steps are timed with. */
  readonly stopwatch?: Stopwatch;
}

export interface Threads {
  readonly startApi: StartApi;
  readonly startHistory: (options: HistoryOptions) => History;
}

export interface LogLine {
  readonly level: "info" | "warning" | "error";
  readonly text: string;
  /** What kind of line it is, for programs; absent for what is for people alone. */
  readonly code?: string;
  readonly domain?: string | null;
}

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #clock: Clock;
  readonly #journal: JournalFile;
  readonly #loop: ControlLoop;
  readonly #usage = new UsageWindow();
  readonly #requests = new RequestLog();
  readonly #monitors: GuestMonitors;
  readonly #telemetry: Telemetry;
  readonly #historyPath: string;
  readonly #startedAt: Milliseconds;
  readonly #overridesFile: string;
  readonly #pause: PauseFile;
  #config: Config;
  #overrides: Overrides;
  /** The host's, the config file's over it, and the overrides over both: the one in force. */
  #policy: Policy;
  /** The journal is open: what is decided from now on can be written down. */
  #journalling = false;
  #configProblem: string | null = null;
  #problems: readonly Problem[] = [];
  #defined: readonly DefinedDomain[] = [];
  #load: readonly DomainLoad[] = [];
  readonly #notes = new NoteLog();
  readonly #hostRequests: HostRequests;
  #revision = 0;
  #server: ApiServer | null = null;
  #watch: ConfigWatch | null = null;

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#clock = options.clock ?? systemClock();
    this.#startedAt = this.#clock.now();
    const { journal, interval, policy } = options.config;
    this.#overridesFile = join(dirname(journal.path), "overrides.json");
    this.#pause = pauseFile(join(dirname(journal.path), "paused.json"));
    this.#overrides = readOverrides(this.#overridesFile, (text) => this.#tell("warning", text));
    this.#journal = new JournalFile({ ...journal, onFault: (text) => this.#tell("error", text) });
    this.#policy = this.#layered(policy);
    this.#monitors = new GuestMonitors(options.hypervisor);
    this.#historyPath = options.config.history.path ?? join(dirname(journal.path), "history.db");
    this.#telemetry = new Telemetry(this.#startHistory(), (text) => this.#tell("error", text));
    this.#loop = new ControlLoop({
      hypervisor: options.hypervisor,
      clock: this.#clock,
      policy: this.#policy,
      intervalMs: interval,
      usage: this.#usage,
      onStep: (taken) => this.#onStep(taken),
      onObservation: (observation) => this.#onObservation(observation),
      onTook: (what, ms) => this.#telemetry.took(what, ms),
      onFault: (text) => this.#tell("error", text),
      ...(options.stopwatch === undefined ? {} : { stopwatch: options.stopwatch }),
    });
    this.#hostRequests = new HostRequests(this.#loop, this.#requests);
  }

  /**
   * Goes on where an earlier life ended. Resolves after the first observation. Rejects, before it touches anything, when
   * the control socket cannot be had (another daemon may be using the journal) or the journal cannot be used.
   */
  async start(): Promise<void> {
    const start = this.#options.threads?.startApi ?? startApi;
    this.#server = await start({
      control: this.#config.control,
      history: this.#historyPath,
      pageFolder: fileURLToPath(threadFile("../web")),
      target: this,
      version: this.#options.version,
      onFault: (text) => this.#tell("error", text),
    });
    const earlier = this.#journal.recover();
    this.#journalling = true;
    if (earlier !== null) this.#loop.resume(earlier);
    const now = this.#clock.now();
    const { version, configFile } = this.#options;
    this.#append({
      kind: "start",
      daemonVersion: version,
      policy: this.#policy,
      now,
      wallMs: Date.now(),
    });
    this.#append({ kind: "checkpoint", now, policy: this.#policy, state: this.#loop.state });
    if (configFile !== null) {
      this.#watch = watchConfig(
        configFile,
        () => this.reload(),
        (text) => this.#tell("warning", text),
      );
    }
    if (this.#mode() === "paused") this.#tell("warning", PAUSED);
    else if (this.#mode() === "observing") this.#tell("info", OBSERVING);
    await this.#loop.start();
  }

  #mode(): StateView["daemon"]["mode"] {
    if (this.#loop.state.mode === "releasing") return "releasing";
    if (this.#pause.isPaused()) return "paused";
    return this.#policy.mode === "observe" ? "observing" : "controlling";
  }

  /** A maintenance pause, over restarts, until it is ended; every domain keeps what it has. */
  setPaused(paused: boolean, by: string): Answer {
    if (paused === this.#pause.isPaused()) {
      return { ok: true, message: paused ? "It is paused already" : "It is not paused" };
    }
    try {
      this.#pause.set(paused, by);
    } catch (error) {
      return { ok: false, errors: [`Cannot change the pause: ${String(error)}; nothing was changed`] };
    }
    const text = paused ? `Paused by ${by}: nothing is changed until somebody resumes` : `Resumed by ${by}`;
    const now = this.#clock.now();
    this.#append({ kind: "note", now, text });
    this.#notes.keep({ code: paused ? "paused" : "resumed", text, atMs: now, domain: null });
    this.#tell("info", text);
    this.#changePolicy();
    return { ok: true, message: paused ? "Paused: every domain keeps what it has" : "Resumed" };
  }

  /** A clean stop: everything is put back as it was found. Resolves with the domains where that failed. */
  async stop(): Promise<readonly string[]> {
    this.#watch?.close();
    const left = await this.#loop.release();
    for (const domain of left) {
      this.#tell("error", `${domain} could not be put back as it was found; the journal knows how it was`);
    }
    await this.kill();
    return left;
  }

  /** An unclean stop: nothing is put back. */
  async kill(): Promise<void> {
    this.#watch?.close();
    await this.#loop.close();
    await Promise.all([this.#server?.close(), this.#telemetry.close()]);
    this.#journal.close();
  }

  view(): StateView {
    const now = this.#clock.now();
    return stateViewOf({
      now,
      revision: this.#revision,
      daemon: {
        pid: process.pid,
        version: this.#options.version,
        uptimeMs: now - this.#startedAt,
        mode: this.#mode(),
        configFile: this.#options.configFile,
        configProblem: this.#configProblem,
        journal: this.#config.journal.path,
        hypervisor: this.#options.hypervisor.kind,
      },
      policy: this.#policy,
      state: this.#loop.state,
      usage: this.#usage,
      problems: this.#problems,
      notes: this.#notes.notes,
      load: this.#load,
      requests: this.#requests,
      monitors: this.#monitorLayers(),
    });
  }

  plan(): PlanView {
    const { snapshot, plan } = this.#loop.state;
    const nothing = { domains: [], moves: [], idlePcpus: [], notes: [] };
    return planView({
      policy: this.#policy,
      snapshot: snapshot ?? { pcpus: [], domains: [] },
      plan: plan ?? nothing,
    });
  }

  /** Lays `fields` over the config file's for one domain; kept over restarts. `by`: who says so, for the audit. */
  setDomain(name: string, fields: unknown, by = "vbal set"): Answer {
    const base = this.#underOverrides(this.#config.policy).policy;
    const result = override(base, this.#overrides, { name, fields });
    if ("errors" in result) return { ok: false, errors: result.errors };
    try {
      writeOverrides(this.#overridesFile, result.overrides);
    } catch (error) {
      return {
        ok: false,
        errors: [`Cannot write ${this.#overridesFile}: ${String(error)}; nothing was changed`],
      };
    }
    const before = this.#monitorLayers();
    this.#overrides = result.overrides;
    this.#changePolicy();
    this.#changeMonitors(before, by);
    return {
      ok: true,
      message: this.#isPresent(name)
        ? `${name} is set`
        : `${name} is set, for when a domain of that name arrives`,
    };
  }

  /** Everything that it takes to say what these fields, laid over those in force, would do. */
  previewParts(changes: ChangesByDomain): ({ readonly ok: true } & PreviewParts) | Refused {
    let overrides = this.#overrides;
    let changedPolicy = this.#policy;
    const base = this.#underOverrides(this.#config.policy).policy;
    for (const [name, fields] of Object.entries(changes)) {
      const result = override(base, overrides, { name, fields });
      if ("errors" in result) return { ok: false, errors: result.errors };
      ({ overrides, policy: changedPolicy } = result);
    }
    return { ok: true, now: this.#clock.now(), state: this.#loop.state, policy: this.#policy, changedPolicy };
  }

  meters(): Meters {
    return this.#telemetry.meters(this.#journal.bytes);
  }

  #startHistory(): History {
    const start = this.#options.threads?.startHistory ?? startHistory;
    const { maxBytes } = this.#config.history;
    return start({ path: this.#historyPath, maxBytes, onFault: (text) => this.#tell("error", text) });
  }

  /** Asks for one more vCPU for a domain, for a person on the host (P-15). */
  requestVcpu(name: string, node: number | null): Promise<RequestAnswer> {
    return this.#hostRequests.ask(name, node);
  }

  /** Reads the config file again. A bad edit changes nothing and is told. */
  reload(): Answer {
    const file = this.#options.configFile;
    if (file === null) return { ok: false, errors: ["The daemon was started without a config file"] };
    const before = this.#monitorLayers();
    const errors = this.#readConfig(file);
    if (errors.length === 0) {
      if (this.#configProblem !== null) this.#tell("info", `${file} is in force again`);
      this.#configProblem = null;
      this.#changePolicy();
      this.#changeMonitors(before, file);
      return { ok: true, message: `${file} is in force` };
    }
    const problem = errors.join("\n");
    if (problem !== this.#configProblem) {
      this.#tell("error", `${file} was not taken, the earlier version stays in force:\n${problem}`);
    }
    this.#configProblem = problem;
    return { ok: false, errors };
  }

  #readConfig(file: string): readonly string[] {
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch (error) {
      return [`${file} cannot be read: ${String(error)}`];
    }
    const result = parseConfig({ file, text, measures: THRESHOLD_IDS });
    if ("errors" in result) return result.errors.map(renderFault);
    const fixed = needsRestart(this.#config, result.config);
    if (fixed.length > 0) this.#tell("warning", `Changes of ${fixed.join(", ")} take effect after a restart`);
    const { policy, monitor } = result.config;
    this.#config = { ...this.#config, policy, monitor };
    return [];
  }

  #changePolicy(): void {
    const policy = this.#layered(this.#config.policy);
    if (JSON.stringify(policy) === JSON.stringify(this.#policy)) return;
    this.#policy = policy;
    this.#append({ kind: "policy", now: this.#clock.now(), policy });
    this.#loop.changePolicy(policy);
  }

  #monitorLayers(): MonitorLayers {
    return { config: this.#config.monitor, overrides: monitorOverrides(this.#overrides) };
  }

  /** Tells the guests what is new for them, and writes down who changed what from what to what. */
  #changeMonitors(before: MonitorLayers, by: string): void {
    const after = this.#monitorLayers();
    for (const change of monitorChanges(before, after)) {
      const text = describeMonitorChange(change, by);
      const now = this.#clock.now();
      this.#append({ kind: "note", now, text });
      const { domain } = change;
      this.#notes.keep({ code: "monitor-changed", text, data: { ...change, by }, atMs: now, domain });
      this.#tell("info", text);
    }
    const domains = this.#loop.state.snapshot?.domains ?? [];
    this.#monitors.tell(
      domains.map(({ id }) => id),
      after,
    );
  }

  #layered(configPolicy: Policy): Policy {
    const below = this.#underOverrides(configPolicy);
    const layered = withOverrides(below.policy, this.#overrides);
    for (const text of [...below.refused, ...layered.refused]) this.#tell("warning", text);
    return this.#pause.isPaused() ? { ...layered.policy, mode: "observe" } : layered.policy;
  }

  #underOverrides(configPolicy: Policy): ReturnType<typeof overDefined> {
    return overDefined(overBase(this.#options.basePolicy, configPolicy), this.#defined);
  }

  #onObservation({ snapshot, problems, load, usage, defined }: Observation): void {
    this.#revision += 1;
    growWithHost(snapshot.domains.length);
    this.#load = load ?? [];
    // Before the controller sees who is there, so that a newcomer is planned with its own weight at once.
    if (JSON.stringify(defined ?? []) !== JSON.stringify(this.#defined)) {
      this.#defined = defined ?? [];
      this.#changePolicy();
    }
    this.#onProblems(problems);
    const present = snapshot.domains.map(({ id }) => id);
    this.#monitors.welcome(present, () => this.#monitorLayers());
    const [now, { state }] = [this.#clock.now(), this.#loop];
    this.#telemetry.onObservation(usage, { now, state, usage: this.#usage, load: this.#load });
    this.#server?.changed(this.#telemetry.takeFacts());
  }

  #isPresent(name: string): boolean {
    return this.#loop.state.snapshot?.domains.some(({ id }) => id === name) ?? false;
  }

  #onStep(taken: StepTaken): void {
    const { event, now, step } = taken;
    this.#append({ kind: "event", now, event, actions: digestOf(step.actions) });
    for (const note of step.notes) this.#options.log(this.#notes.keepStep(note, now));
    this.#requests.take(taken);
    this.#telemetry.onStep(taken);
  }

  #append(record: Parameters<JournalFile["append"]>[0]): void {
    if (!this.#journalling) return;
    this.#journal.append(record, () => ({
      now: this.#clock.now(),
      policy: this.#policy,
      state: this.#loop.state,
    }));
  }

  #onProblems(problems: readonly Problem[]): void {
    const before = new Set(this.#problems.map(({ message }) => message));
    for (const { message } of problems) if (!before.has(message)) this.#tell("warning", message);
    this.#problems = problems;
  }

  #tell(level: LogLine["level"], text: string): void {
    this.#options.log({ level, text });
  }
}

const PAUSED = "Paused by an earlier `vbal pause`: nothing is changed until `vbal resume`";
const OBSERVING =
  "Observing only: nothing is changed, `vbal status` shows what would be done. Set `mode: enforce` in the config to let it act";

/** The parts of the config that are read once. */
function needsRestart(before: Config, after: Config): readonly string[] {
  const parts = ["interval", "hypervisor", "journal", "control", "history"] as const;
  return parts.filter((part) => JSON.stringify(before[part]) !== JSON.stringify(after[part]));
}
