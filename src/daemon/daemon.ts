/**
 * The daemon: puts the loop, the journal, the config file and the control socket together. It decides nothing.
 */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { THRESHOLD_IDS } from "../agent/monitor/thresholds.ts";
import { explainNote } from "../core/explain_note.ts";
import type { Note } from "../core/note.ts";
import type { Policy } from "../core/policy.ts";
import type { Milliseconds } from "../core/units.ts";
import type { Hypervisor, Problem } from "../hypervisor/port.ts";
import { type Config, parseConfig } from "../protocol/config.ts";
import { digestOf } from "../protocol/digest.ts";
import { renderFault } from "../protocol/fault.ts";
import { type PlanView, planView } from "../protocol/plan_view.ts";
import type { NoteView, StateView } from "../protocol/state_view.ts";
import type { Answer } from "./api/api_target.ts";
import { type ApiServer, serveApi } from "./api/serve_api.ts";
import { type Clock, systemClock } from "./clock.ts";
import { type ConfigWatch, watchConfig } from "./config_watch.ts";
import { ControlLoop, type StepTaken } from "./control_loop.ts";
import { JournalFile } from "./journal_file.ts";
import { type Overrides, override, readOverrides, withOverrides, writeOverrides } from "./overrides.ts";
import { overBase } from "./policy_layers.ts";
import { stateViewOf } from "./state_view_of.ts";
import { UsageWindow } from "./usage_window.ts";

/** The notes that are kept in memory for `vbal status` and `vbal explain`; the journal has all. */
const NOTES_KEPT = 500;

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
}

export interface LogLine {
  readonly level: "info" | "warning" | "error";
  readonly text: string;
}

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #clock: Clock;
  readonly #journal: JournalFile;
  readonly #loop: ControlLoop;
  readonly #usage = new UsageWindow();
  readonly #startedAt: Milliseconds;
  readonly #overridesFile: string;
  #config: Config;
  #overrides: Overrides;
  /** The host's, the config file's over it, and the overrides over both: the one in force. */
  #policy: Policy;
  /** The journal is open: what is decided from now on can be written down. */
  #journalling = false;
  #configProblem: string | null = null;
  #problems: readonly Problem[] = [];
  #notes: NoteView[] = [];
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
    this.#overrides = readOverrides(this.#overridesFile, (text) => this.#tell("warning", text));
    this.#journal = new JournalFile({ ...journal, onFault: (text) => this.#tell("error", text) });
    this.#policy = this.#layered(policy);
    this.#loop = new ControlLoop({
      hypervisor: options.hypervisor,
      clock: this.#clock,
      policy: this.#policy,
      intervalMs: interval,
      usage: this.#usage,
      onStep: (taken) => this.#onStep(taken),
      onObservation: ({ problems }) => {
        this.#revision += 1;
        this.#onProblems(problems);
        this.#server?.changed();
      },
      onFault: (text) => this.#tell("error", text),
    });
  }

  /**
   * Goes on where an earlier life ended. Resolves after the first observation. Rejects, before it touches anything, when
   * the control socket cannot be had (another daemon may be using the journal) or the journal cannot be used.
   */
  async start(): Promise<void> {
    this.#server = await serveApi({
      socket: this.#config.control.socket,
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
    await this.#loop.start();
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
    await this.#server?.close();
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
        mode: this.#loop.state.mode,
        configFile: this.#options.configFile,
        configProblem: this.#configProblem,
        journal: this.#config.journal.path,
        hypervisor: this.#options.hypervisor.kind,
      },
      policy: this.#policy,
      state: this.#loop.state,
      usage: this.#usage,
      problems: this.#problems,
      notes: this.#notes,
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

  /** Lays `fields` over the config file's for one domain; kept over restarts. */
  setDomain(name: string, fields: unknown): Answer {
    const base = overBase(this.#options.basePolicy, this.#config.policy);
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
    this.#overrides = result.overrides;
    this.#changePolicy();
    const known = this.#loop.state.snapshot?.domains.some(({ id }) => id === name) ?? false;
    return {
      ok: true,
      message: known ? `${name} is set` : `${name} is set, for when a domain of that name arrives`,
    };
  }

  /** Reads the config file again. A bad edit changes nothing and is told. */
  reload(): Answer {
    const file = this.#options.configFile;
    if (file === null) return { ok: false, errors: ["The daemon was started without a config file"] };
    const errors = this.#readConfig(file);
    if (errors.length === 0) {
      if (this.#configProblem !== null) this.#tell("info", `${file} is in force again`);
      this.#configProblem = null;
      this.#changePolicy();
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
    this.#config = { ...this.#config, policy: result.config.policy };
    return [];
  }

  #changePolicy(): void {
    const policy = this.#layered(this.#config.policy);
    if (JSON.stringify(policy) === JSON.stringify(this.#policy)) return;
    this.#policy = policy;
    this.#append({ kind: "policy", now: this.#clock.now(), policy });
    this.#loop.changePolicy(policy);
  }

  #layered(configPolicy: Policy): Policy {
    const layered = withOverrides(overBase(this.#options.basePolicy, configPolicy), this.#overrides);
    for (const text of layered.refused) this.#tell("warning", text);
    return layered.policy;
  }

  #onStep({ event, now, step }: StepTaken): void {
    this.#append({ kind: "event", now, event, actions: digestOf(step.actions) });
    for (const note of step.notes) this.#note(note, now);
  }

  #append(record: Parameters<JournalFile["append"]>[0]): void {
    if (!this.#journalling) return;
    this.#journal.append(record, () => ({
      now: this.#clock.now(),
      policy: this.#policy,
      state: this.#loop.state,
    }));
  }

  #note(note: Note, now: Milliseconds): void {
    const text = explainNote(note);
    const domain = "domain" in note ? note.domain : null;
    this.#notes.push({ code: note.code, text, data: note, atMs: now, domain });
    if (NOTES_KEPT < this.#notes.length) this.#notes = this.#notes.slice(-NOTES_KEPT);
    this.#options.log({ level: levelOf(note), text });
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

/** The parts of the config that are read once. */
function needsRestart(before: Config, after: Config): readonly string[] {
  const parts = ["interval", "hypervisor", "journal", "control"] as const;
  return parts.filter((part) => JSON.stringify(before[part]) !== JSON.stringify(after[part]));
}

function levelOf(note: Note): LogLine["level"] {
  switch (note.code) {
    case "command-failed":
    case "guest-silent":
    case "guest-changed-by-itself":
    case "growth-given-up":
      return "warning";
    case "standing-changed":
      return note.to === "active" ? "info" : "warning";
    default:
      return "info";
  }
}
