/**
 * The agent's shell: feeds the session with what happens, carries out its effects, and keeps the port open. The same
 * on every platform.
 */

import { unreachable } from "../core/unreachable.ts";
import { encode, FRAME_START } from "../protocol/frame.ts";
import type { GuestMessage, VcpuReport } from "../protocol/guest_messages.ts";
import { AskPipe } from "./ask_pipe.ts";
import { asksFromMs } from "./asking.ts";
import { type GuestView, VCPU_DIRECTORY } from "./guest_view.ts";
import { HostClock } from "./host_clock.ts";
import { writeHostLayer } from "./host_layer.ts";
import { canIsolate } from "./isolation.ts";
import type { Thresholds } from "./monitor/thresholds.ts";
import { MONITOR_DEFAULTS, type MonitorConfig } from "./monitor_config.ts";
import { MonitorLoop } from "./monitor_loop.ts";
import { measuresDueMs, wantsGlances } from "./monitoring.ts";
import type { Platform, Port } from "./platform.ts";
import { processName } from "./process_name.ts";
import { type Effect, type Session, type SessionEvent, startSession, step } from "./session.ts";
import { VcpuBalloon } from "./vcpu_balloon.ts";
import type { Change } from "./vcpu_changes.ts";
import { parseVcpuList } from "./vcpu_list.ts";

export class Agent {
  readonly #platform: Platform;
  readonly #options: AgentOptions;
  readonly #balloon: VcpuBalloon;
  readonly #monitor: MonitorLoop;
  readonly #hostClock: HostClock;
  readonly #pipe: AskPipe;
  #thresholds: Thresholds = new Map();
  #session: Session;
  #port: Port | null = null;
  #cancelWake: () => void = () => {};
  #lastTrouble = "";
  #stopped = false;
  /** The vCPUs that the last report called online. */
  #reported = "";
  readonly #events: SessionEvent[] = [];

  constructor(platform: Platform, options: AgentOptions) {
    this.#platform = platform;
    this.#options = options;
    this.#balloon = new VcpuBalloon(platform, options.recordPath);
    this.#hostClock = new HostClock(platform);
    const config = options.monitor ?? MONITOR_DEFAULTS;
    this.#monitor = new MonitorLoop(platform, {
      config,
      thresholds: () => this.#thresholds,
      host: (intervalMs) => this.#hostClock.within(intervalMs),
      measuresDueMs: (how) => measuresDueMs(this.#session.monitoring, how),
      wantsGlances: () => wantsGlances(this.#session.monitoring),
      onVcpusChanged: () => this.#onVcpusChanged(),
      onSample: (looked) => this.#feed({ kind: "sampled", ...looked }),
      asksFromMs: () => asksFromMs(this.#session.monitoring.asking),
      onGlance: (glanced) => this.#feed({ kind: "glanced", ...glanced }),
    });
    this.#pipe = new AskPipe(platform, options.askPath, (asker) =>
      this.#feed({ kind: "administrator-asked", ...asker }),
    );
    this.#session = startSession({
      monitor: config,
      life: processName(platform),
      agent: options.name,
      mechanisms: mechanismsOf(platform),
      patienceMs: this.#balloon.recordedPatienceMs(),
      holding: this.#balloon.holding(),
      nowMs: platform.nowMs(),
    });
  }

  start(): void {
    this.#openPort();
    this.#feed({ kind: "woken" });
  }

  /** Puts everything back and closes the port. True when nothing is left changed. */
  stop(): boolean {
    this.#stopped = true;
    this.#cancelWake();
    this.#monitor.stop({ forGood: true });
    writeHostLayer(this.#platform, this.#options.hostLayerPath, null);
    this.#pipe.close();
    const problems = this.#balloon.restore();
    for (const problem of problems) this.#platform.log(problem);
    this.#port?.close();
    this.#port = null;
    return problems.length === 0;
  }

  #openPort(): void {
    if (this.#stopped) return;
    const opened = this.#platform.openPort(this.#options.portPath, {
      onConnected: () => this.#feed({ kind: "connected" }),
      onBytes: (chunk) => this.#feed({ kind: "bytes", chunk }),
      onHungUp: () => this.#feed({ kind: "hung-up" }),
      onGone: (why) => {
        this.#port = null;
        this.#feed({ kind: "hung-up" });
        this.#retryPort(why);
      },
    });
    if (typeof opened !== "string") {
      this.#port = opened;
      this.#lastTrouble = "";
      // Not before the port is ours: the pipe may belong to the agent that has it.
      this.#pipe.open();
    } else if (BUSY.test(opened)) {
      this.#options.onPortBusy();
    } else {
      this.#retryPort(opened);
    }
  }

  #retryPort(why: string): void {
    if (why !== this.#lastTrouble) {
      this.#platform.log(
        `${this.#options.portPath} cannot be used: ${why}; trying again every ${REOPEN_EVERY_MS} ms`,
      );
    }
    this.#lastTrouble = why;
    this.#platform.after(REOPEN_EVERY_MS, () => this.#openPort());
  }

  /** Events are handled one after another, each with all its effects, also those that effects bring about. */
  #feed(event: SessionEvent): void {
    this.#events.push(event);
    if (this.#events.length > 1) return;
    for (let next = this.#events[0]; next !== undefined && !this.#stopped; next = this.#events[0]) {
      const { session, effects } = step(this.#session, next, this.#platform.nowMs());
      this.#session = session;
      for (const effect of effects) this.#carryOut(effect);
      this.#events.shift();
    }
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case "start-stream":
        this.#port?.send(FRAME_START);
        break;
      case "send":
        this.#send(effect.message);
        break;
      case "report":
        // A host that does not read gets no more reports: the newest one counts, and it comes when there is room.
        if (this.#port?.backlog() === 0) this.#report();
        break;
      case "send-measures":
        if (this.#port?.backlog() === 0) this.#send(effect.message);
        break;
      case "monitor":
        this.#thresholds = effect.thresholds;
        writeHostLayer(this.#platform, this.#options.hostLayerPath, effect.host);
        this.#monitor.start();
        break;
      case "stop-monitor":
        this.#monitor.stop({ forGood: false });
        writeHostLayer(this.#platform, this.#options.hostLayerPath, null);
        break;
      case "run-times":
        this.#hostClock.hear(effect.vcpus);
        break;
      case "tell-asker":
        this.#pipe.tell(effect.asker, effect.verdict);
        break;
      case "remember-patience":
        this.#balloon.setPatience(effect.patienceMs);
        break;
      case "look":
        this.#feed({ kind: "looked", view: this.#balloon.look() });
        break;
      case "change":
        this.#change(effect.change, effect.view);
        break;
      case "settle":
        this.#balloon.settle();
        this.#feed({ kind: "settled", holding: this.#balloon.holding() });
        break;
      case "restore":
        for (const problem of this.#balloon.restore()) this.#platform.log(problem);
        this.#feed({
          kind: "restored",
          id: effect.id,
          view: this.#balloon.look(),
          holding: this.#balloon.holding(),
        });
        break;
      case "log":
        this.#platform.log(effect.line);
        break;
      case "wake":
        this.#wakeAt(effect.atMs);
        break;
      default:
        unreachable(effect);
    }
  }

  #report(): void {
    const report = this.#balloon.report();
    this.#reported = onlineIn(report.vcpus);
    this.#send({ kind: "report", ...report });
  }

  /** What changed by the host's word was reported already. */
  #onVcpusChanged(): void {
    if (this.#reported !== String(this.#balloon.look().online)) this.#feed({ kind: "vcpus-changed" });
  }

  #send(message: GuestMessage): void {
    this.#port?.send(encode(message));
  }

  #change(change: Change, before: GuestView): void {
    const { why, view } = this.#balloon.change(change, before);
    if (why !== null) this.#platform.log(`vCPU ${change.vcpu} is not ${change.to}: ${why}`);
    const event: SessionEvent = { kind: "changed", change, why, view, holding: this.#balloon.holding() };
    const more = (this.#session.work?.changes?.length ?? 0) > 1;
    if (more) this.#platform.after(LISTEN_BETWEEN_CHANGES_MS, () => this.#feed(event));
    else this.#feed(event);
  }

  #wakeAt(atMs: number | null): void {
    this.#cancelWake();
    if (atMs === null) return;
    const ms = Math.max(0, Math.ceil(atMs - this.#platform.nowMs()));
    this.#cancelWake = this.#platform.after(ms, () => this.#feed({ kind: "woken" }));
  }
}

export interface AgentOptions {
  readonly portPath: string;
  readonly recordPath: string;
  /** Where people in the guest ask for vCPUs (ask_pipe.ts). */
  readonly askPath: string;
  /** Where the host's thresholds are put for people (host_layer.ts). */
  readonly hostLayerPath: string;
  /** What the guest's own configuration says of the load monitor; the defaults where it says nothing. */
  readonly monitor?: MonitorConfig;
  /** With its version, as the host will show it. */
  readonly name: string;
  /** Called when another program has the port: that program is in charge, and this one must change nothing. */
  readonly onPortBusy: () => void;
}

function onlineIn(vcpus: readonly VcpuReport[]): string {
  return String(vcpus.filter(({ online }) => online).map(({ vcpu }) => vcpu));
}

/** How the guest can take vCPUs, best first. */
export function mechanismsOf(platform: Platform): readonly ("offline" | "isolate")[] {
  const present = parseVcpuList(platform.readFile(`${VCPU_DIRECTORY}/present`));
  const possible = parseVcpuList(platform.readFile(`${VCPU_DIRECTORY}/possible`));
  const letsGo = (vcpu: number) =>
    vcpu !== 0 && platform.readFile(`${VCPU_DIRECTORY}/cpu${vcpu}/online`) !== null;
  // One that is plugged later can be offlined by any kernel that can plug it.
  const awaitsMore = possible.length > present.length && platform.readFile(HOTPLUG_STATES) !== null;
  const canOffline = present.some(letsGo) || awaitsMore;
  return [
    ...(canOffline ? (["offline"] as const) : []),
    ...(canIsolate(platform) ? (["isolate"] as const) : []),
  ];
}

/** There in a kernel with CONFIG_HOTPLUG_CPU. */
const HOTPLUG_STATES = `${VCPU_DIRECTORY}/hotplug/states`;

/** The kernel's words for a port that another program has open. */
const BUSY = /busy/i;

/** A port that is not there yet, or was unplugged, is looked for this often: hardly any work, and nobody waits long. */
const REOPEN_EVERY_MS = 1_000;

/** Long enough for what has arrived meanwhile to be read, short beside the change of a vCPU. */
const LISTEN_BETWEEN_CHANGES_MS = 1;
