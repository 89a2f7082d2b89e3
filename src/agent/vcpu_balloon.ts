/**
 * The vCPU balloon: takes and gives single vCPUs and knows how to put everything back. Every change is written to
 * the record first (record.ts), read back afterwards, and what it displaced (interrupts, affinities) settled.
 */
import { unreachable } from "../core/unreachable.ts";
import type { GuestMessage, PreflightFinding } from "../protocol/guest_messages.ts";
import { type GuestView, look, VCPU_DIRECTORY } from "./guest_view.ts";
import { readInterrupts, steerInterrupts } from "./interrupts.ts";
import { isolate } from "./isolation.ts";
import { cpuTimeIn } from "./kernel_time.ts";
import type { Platform } from "./platform.ts";
import { preflight } from "./preflight.ts";
import {
  type AgentRecord,
  EMPTY_RECORD,
  isEmpty,
  readRecord,
  type TaskAffinity,
  writeRecord,
} from "./record.ts";
import { sentInterruptsIn } from "./sent_interrupts.ts";
import { switchesIn } from "./switch_count.ts";
import { type LostAffinity, restoreAffinities, TaskAffinities } from "./task_affinity.ts";
import type { Change } from "./vcpu_changes.ts";
import { parseVcpuList, without } from "./vcpu_list.ts";
import { VcpuReporter } from "./vcpu_report.ts";

export class VcpuBalloon {
  readonly #platform: Platform;
  readonly #recordPath: string;
  readonly #reporter: VcpuReporter;
  readonly #affinities: TaskAffinities;
  #record: AgentRecord;
  #lost: readonly LostAffinity[] = [];
  #preflight: { readonly atMs: number; readonly findings: readonly PreflightFinding[] } | null = null;

  constructor(platform: Platform, recordPath: string) {
    this.#platform = platform;
    this.#recordPath = recordPath;
    this.#reporter = new VcpuReporter(platform);
    this.#affinities = new TaskAffinities(platform);
    this.#record = readRecord(platform, recordPath);
  }

  /** True while some vCPU is not as the agent found it. */
  holding(): boolean {
    return !isEmpty(this.#record);
  }

  /** The patience of the host that an earlier life served; 0 when there is none on record. */
  recordedPatienceMs(): number {
    return this.#record.patienceMs;
  }

  /** To be written with the next change. */
  setPatience(patienceMs: number): void {
    this.#record = { ...this.#record, patienceMs };
  }

  look(): GuestView {
    return look(this.#platform);
  }

  report(): Omit<GuestMessage & { readonly kind: "report" }, "kind"> {
    const view = this.look();
    const sent = sentInterruptsIn(this.#platform.readFile("/proc/interrupts") ?? "");
    const atMs = Math.floor(this.#platform.nowMs());
    const stat = this.#platform.readFile("/proc/stat") ?? "";
    const cpuTime = cpuTimeIn(stat);
    const switches = switchesIn(stat);
    return {
      vcpus: this.#reporter.report(view, stat),
      preflight: this.#findings(view),
      ...(sent === null ? {} : { interrupts: { atMs, ...sent } }),
      ...(cpuTime === null ? {} : { cpuTime }),
      ...(switches === null ? {} : { switches: { atMs, ...switches } }),
    };
  }

  /**
   * Carries out one change of a guest that looks like `before`. `why` is `null` when the kernel confirms it, else the
   * guest is as it was. `settle` must follow, after this change or the last of several: what was displaced can wait
   * until the host has its answer.
   */
  change(change: Change, before: GuestView): { readonly why: string | null; readonly view: GuestView } {
    const why = this.#prepare(change, before) ?? this.#apply(change, before);
    return { why, view: this.look() };
  }

  /** Puts every vCPU, interrupt and affinity back as found. Says for each that failed why; those stay on record. */
  restore(): readonly string[] {
    const problems: string[] = [];
    for (const [name, found] of Object.entries(this.#record.found)) {
      const vcpu = Number(name);
      const change: Change = { vcpu, to: found };
      const view = this.look();
      this.#noteNarrowed(change, view);
      const why = this.#apply(change, view);
      if (why !== null) problems.push(`vCPU ${vcpu} could not be put back to ${found}: ${why}`);
    }
    this.settle();
    return problems;
  }

  /** After changes: displaced interrupts and affinities go where they belong; what is as found leaves the record. */
  settle(): void {
    const view = this.look();
    steerInterrupts(this.#platform, this.#record.interrupts, view);
    const lost = restoreAffinities(this.#platform, this.#record.tasks, view.inUse);
    for (const { name, task, allowed, why } of lost) {
      this.#platform.log(`${name} (task ${task}) lost its affinity ${allowed}: ${why}`);
    }
    if (lost.length > 0 || this.#lost.length > 0) this.#preflight = null;
    this.#lost = lost;
    this.#forgetAsFound(view);
  }

  /** Notes, before a change, how things are; without that on file nothing is changed. */
  #prepare(change: Change, view: GuestView): string | null {
    const { vcpu, to } = change;
    const found = this.#record.found[vcpu] ?? (view.inUse.includes(vcpu) ? "used" : "offline");
    this.#record = {
      ...this.#record,
      found: { ...this.#record.found, [vcpu]: found },
      // What was noted first is how it was found; later readings only add what is new.
      interrupts:
        to === "used"
          ? this.#record.interrupts
          : { ...this.#displaced(change, view), ...this.#record.interrupts },
      tasks: to === "used" ? this.#record.tasks : this.#withNew(this.#affinities.find(view.inUse)),
    };
    this.#noteNarrowed(change, view);
    const why = writeRecord(this.#platform, this.#recordPath, this.#record);
    return why === null ? null : `The record ${this.#recordPath} cannot be written: ${why}`;
  }

  /** The interrupts that the change moves: offlining only those that have no other vCPU in use. */
  #displaced({ vcpu, to }: Change, view: GuestView): Readonly<Record<string, string>> {
    const interrupts = Object.entries(readInterrupts(this.#platform));
    const others = without(view.inUse, [vcpu]);
    return Object.fromEntries(
      interrupts.filter(([, allowed]) => {
        const vcpus = parseVcpuList(allowed);
        return vcpus.includes(vcpu) && (to === "isolated" || !vcpus.some((other) => others.includes(other)));
      }),
    );
  }

  #withNew(tasks: readonly TaskAffinity[]): readonly TaskAffinity[] {
    const known = new Set(this.#record.tasks.map(({ task, started }) => `${task} ${started}`));
    return [...this.#record.tasks, ...tasks.filter(({ task, started }) => !known.has(`${task} ${started}`))];
  }

  #noteNarrowed({ vcpu, to }: Change, view: GuestView): void {
    if (to !== "isolated" && !view.isolated.includes(vcpu)) return;
    const narrowed = view.present.filter(
      (v) => this.#record.narrowed.includes(v) || !view.online.includes(v),
    );
    this.#record = { ...this.#record, narrowed };
  }

  #apply({ vcpu, to }: Change, view: GuestView): string | null {
    const online = view.online.includes(vcpu);
    switch (to) {
      case "used":
        return (
          this.#leaveIsolation(vcpu, view) ??
          (online ? null : (this.#setOnline(vcpu, true) ?? this.#widen(vcpu, view)))
        );
      case "offline":
        return this.#leaveIsolation(vcpu, view) ?? (online ? this.#setOnline(vcpu, false) : null);
      case "isolated":
        return (
          (online ? null : this.#setOnline(vcpu, true)) ??
          isolate(this.#platform, ascending([...without(view.isolated, [vcpu]), vcpu]))
        );
      default:
        return unreachable(to);
    }
  }

  /**
   * A kernel before 6.2 sets every task to the vCPUs that are online when a cpuset changes, and does not add one that
   * comes online later: no task would ever use it again. Isolating it for an instant makes the kernel set them anew.
   */
  #widen(vcpu: number, { isolated }: GuestView): string | null {
    if (!this.#record.narrowed.includes(vcpu)) return null;
    this.#record = { ...this.#record, narrowed: without(this.#record.narrowed, [vcpu]) };
    return isolate(this.#platform, ascending([...isolated, vcpu])) ?? isolate(this.#platform, isolated);
  }

  #leaveIsolation(vcpu: number, view: GuestView): string | null {
    return view.isolated.includes(vcpu) ? isolate(this.#platform, without(view.isolated, [vcpu])) : null;
  }

  /** The light hotplug (B-14..B-16): the guest kernel alone, no command to any bus. Read back (pitfall 35). */
  #setOnline(vcpu: number, online: boolean): string | null {
    const path = `${VCPU_DIRECTORY}/cpu${vcpu}/online`;
    const why = this.#platform.writeFile(path, online ? "1" : "0");
    if (why !== null) return `The kernel refused to ${online ? "online" : "offline"} it: ${why}`;
    if (this.#platform.readFile(path)?.trim() === (online ? "1" : "0")) return null;
    return `The kernel accepted the change and did not make it`;
  }

  #forgetAsFound(view: GuestView): void {
    const found = Object.entries(this.#record.found);
    const changed = found.filter(([vcpu, was]) => stateOf(view, Number(vcpu)) !== was);
    if (changed.length === found.length) return;
    this.#record =
      changed.length === 0
        ? { ...EMPTY_RECORD, patienceMs: this.#record.patienceMs }
        : { ...this.#record, found: Object.fromEntries(changed) };
    const why = writeRecord(this.#platform, this.#recordPath, this.#record);
    if (why !== null) this.#platform.log(`The record ${this.#recordPath} cannot be written: ${why}`);
  }

  #findings(view: GuestView): readonly PreflightFinding[] {
    const nowMs = this.#platform.nowMs();
    if (this.#preflight === null || nowMs - this.#preflight.atMs >= PREFLIGHT_EVERY_MS) {
      this.#affinities.forget();
      const tasks = this.#affinities.find(view.inUse);
      const findings = preflight(this.#platform, { view, tasks, lost: this.#lost });
      this.#preflight = { atMs: nowMs, findings };
    }
    return this.#preflight.findings;
  }
}

/**
 * A pre-flight reads a file for each task, group and interrupt: tens of milliseconds. Once in five minutes it costs less
 * than 0.02 % of a vCPU; before a change the tasks are looked at anew in any case.
 */
const PREFLIGHT_EVERY_MS = 300_000;

function stateOf(view: GuestView, vcpu: number): "used" | "isolated" | "offline" {
  if (view.inUse.includes(vcpu)) return "used";
  return view.isolated.includes(vcpu) ? "isolated" : "offline";
}

function ascending(vcpus: readonly number[]): readonly number[] {
  return vcpus.toSorted((a, b) => a - b);
}
