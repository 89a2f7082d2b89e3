/**
 * A guest made of plain data: files, a clock that moves when told to, a port whose other end is in the caller's hand,
 * and as much of the kernel's behaviour as the agent meets (seen on Linux 6.1). Tests tell stories with it.
 */
import { DECODER_START, type Decoder, decode, encode } from "../protocol/frame.ts";
import type { GuestMessage } from "../protocol/guest_messages.ts";
import { parseGuestMessage } from "../protocol/parse_guest_message.ts";
import type { Platform, Port, PortEvents } from "./platform.ts";
import type { QueueReading } from "./sources/counters.ts";
import { type QueueRule, type QueueWatch, watchQueuesOnTimers } from "./sources/queue_watch.ts";
import { formatVcpuList, parseVcpuList, without } from "./vcpu_list.ts";

export class GuestOfData implements Platform {
  readonly files = new Map<string, string>();
  /** Every write, in order: "path = text". */
  readonly writes: string[] = [];
  readonly logged: string[] = [];
  /** Programs started and not waited for. */
  readonly started: (readonly string[])[] = [];
  /** Whether those have come to their end. */
  startedEnd = true;
  /** Everything the host has heard, in order. */
  readonly heard: GuestMessage[] = [];
  /** vCPUs that the kernel does not offline, each with its reason. */
  readonly stubborn = new Map<number, string>();
  /** Paths that cannot be written, each with the reason. */
  readonly readOnly = new Map<string, string>();
  hasTaskset = true;
  /** How long the agent has run. */
  agentMs = 0;
  /** How long the kernel takes for one write to an `online` file. */
  changeTakesMs = 20;
  #now = 1_000;
  #timers: Timer[] = [];
  #events: PortEvents | null = null;
  #portOwner: object | null = null;
  readonly #pipes = new Map<string, (chunk: Uint8Array) => void>();
  #decoder: Decoder = DECODER_START;

  constructor(vcpus: number) {
    const all = formatVcpuList(Array.from({ length: vcpus }, (_, i) => i));
    this.files.set(`${VCPUS}/present`, all).set(`${VCPUS}/online`, all);
    for (let v = 0; v < vcpus; v++) {
      if (v > 0) this.files.set(`${VCPUS}/cpu${v}/online`, "1\n");
      this.files.set(`${VCPUS}/cpu${v}/topology/physical_package_id`, "0\n");
      this.files.set(`${VCPUS}/cpu${v}/topology/core_id`, `${v}\n`);
      this.files.set(`${VCPUS}/cpu${v}/node0/distance`, "10\n");
    }
    this.files
      .set(
        "/proc/stat",
        "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 9 0 9 9 0 0 0 5 0 0\ncpu1 9 0 9 9 0 0 0 7 0 0\nintr 1\n",
      )
      .set("/proc/sys/kernel/random/boot_id", "boot-1\n")
      .set("/proc/sys/kernel/osrelease", "6.1.0-56-cloud-amd64\n")
      .set("/proc/interrupts", "           CPU0 CPU1\n  4:  1  2  ttyS0\nNMI:  0  0\n")
      .set("/proc/irq/4/smp_affinity_list", `${all}\n`)
      .set("/proc/irq/4/ttyS0/", "")
      .set(`${CGROUP}/cgroup.controllers`, "cpuset cpu memory\n")
      .set(`${CGROUP}/cgroup.subtree_control`, "\n");
  }

  // What a story does.

  /** The host opens its end. */
  connect(): void {
    this.#decoder = DECODER_START;
    this.#events?.onConnected();
  }

  hangUp(): void {
    this.#events?.onHungUp();
  }

  /** The port device vanishes. */
  unplugPort(): void {
    const events = this.#events;
    this.#events = null;
    this.#portOwner = null;
    events?.onGone("No such device");
  }

  /** The host says something; the answer is what it heard since, reports left out. */
  say(message: object): GuestMessage[] {
    return this.sayBytes(encode(message));
  }

  sayBytes(bytes: Uint8Array): GuestMessage[] {
    const before = this.heard.length;
    this.#events?.onBytes(bytes);
    return this.heard.slice(before).filter(({ kind }) => kind !== "report");
  }

  /** Time passes; timers that are due call, in the order of their times. */
  pass(ms: number): void {
    const end = this.#now + ms;
    for (let due = this.#due(end); due !== undefined; due = this.#due(end)) {
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#now = Math.max(this.#now, due.atMs);
      due.call();
    }
    this.#now = Math.max(this.#now, end);
  }

  /** The guest stands still, and goes on later: no timer was called meanwhile. */
  standStill(ms: number): void {
    this.#now += ms;
    this.pass(0);
  }

  /** The agent is killed with no time for anything: its timers and its port are gone. */
  killAgent(): void {
    this.#timers = [];
    this.#events = null;
    this.#portOwner = null;
    this.#pipes.clear();
  }

  addTask(pid: number, task: { name: string; allowed: string; parent?: number }): void {
    const { name, allowed, parent = 1 } = task;
    this.files.set(
      `/proc/${pid}/status`,
      `Name:\t${name}\nPPid:\t${parent}\nThreads:\t1\nCpus_allowed_list:\t${allowed}\n`,
    );
    this.files.set(`/proc/${pid}/stat`, `${pid} (${name}) S ${"0 ".repeat(18)}${pid * 10} 0\n`);
  }

  allowedOf(pid: number): string {
    return /Cpus_allowed_list:\t(.*)/.exec(this.files.get(`/proc/${pid}/status`) ?? "")?.[1] ?? "";
  }

  onlineNow(): string {
    return (this.files.get(`${VCPUS}/online`) ?? "").trim();
  }

  isolatedNow(): string {
    return this.files.get(`${PARTITION}/cpuset.cpus.partition`) === "isolated"
      ? (this.files.get(`${PARTITION}/cpuset.cpus`) ?? "")
      : "";
  }

  // The platform.

  readFile(path: string): string | null {
    if (path === `${PARTITION}/cpuset.cpus.effective`) return this.isolatedNow();
    return this.files.get(path) ?? null;
  }

  writeFile(path: string, text: string): string | null {
    const refused = this.readOnly.get(path);
    if (refused !== undefined) return refused;
    if (!this.files.has(path)) return "No such file or directory";
    this.writes.push(`${path} = ${text}`);
    const vcpu = /\/cpu(\d+)\/online$/.exec(path)?.[1];
    if (vcpu !== undefined) return this.#setOnline(Number(vcpu), text === "1");
    this.files.set(path, text);
    return null;
  }

  replaceFile(path: string, text: string): string | null {
    const refused = this.readOnly.get(path);
    if (refused === undefined) this.files.set(path, text);
    return refused ?? null;
  }

  remove(path: string): string | null {
    for (const name of this.files.keys())
      if (name === path || name.startsWith(`${path}/`)) this.files.delete(name);
    return null;
  }

  makeDirectory(path: string): string | null {
    this.files.set(`${path}/cpuset.cpus`, "").set(`${path}/cpuset.cpus.partition`, "member");
    return null;
  }

  listDirectory(path: string): readonly string[] {
    const names = new Set<string>();
    for (const name of this.files.keys()) {
      if (name.startsWith(`${path}/`)) names.add(name.slice(path.length + 1).split("/")[0]!);
    }
    return [...names];
  }

  run(command: readonly string[]): number {
    const [program, , mask, pid] = command;
    if (program !== "taskset" || !this.hasTaskset) return 127;
    const bits = BigInt(`0x${mask}`);
    const vcpus = parseVcpuList(this.files.get(`${VCPUS}/present`)!).filter((v) => (bits >> BigInt(v)) & 1n);
    this.#setAllowed(Number(pid), vcpus);
    return 0;
  }

  start(command: readonly string[]): () => boolean {
    this.started.push(command);
    return () => this.startedEnd;
  }

  measureSwitches(): { readonly sameProcessNs: number; readonly otherProcessNs: number } {
    return { sameProcessNs: 1_000, otherProcessNs: 1_500 };
  }

  cpuMs(): number {
    return this.agentMs;
  }

  vcpuNow(): number {
    return 0;
  }

  goFirst(): void {
    // There is nobody else.
  }

  nowMs(): number {
    return this.#now;
  }

  after(ms: number, call: () => void): () => void {
    const timer: Timer = { atMs: this.#now + ms, call };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  watchQueues(rule: QueueRule, onStir: (before: QueueReading) => void): QueueWatch {
    return watchQueuesOnTimers(this, rule, onStir);
  }

  openPort(_path: string, events: PortEvents): Port | string {
    if (this.#portOwner !== null) return "Device or resource busy";
    this.#portOwner = events;
    this.#events = events;
    return {
      send: (bytes) => this.#hear(bytes),
      backlog: () => 0,
      close: () => {
        this.#events = null;
        this.#portOwner = null;
      },
    };
  }

  openPipe(path: string, onBytes: (chunk: Uint8Array) => void): { close(): void } {
    this.#pipes.set(path, onBytes);
    return { close: () => void this.#pipes.delete(path) };
  }

  writePipe(path: string, text: string): string | null {
    const listens = this.#pipes.get(path);
    listens?.(Uint8Array.from(text, (character) => character.charCodeAt(0)));
    return listens === undefined ? "No such device or address" : null;
  }

  log(line: string): void {
    this.logged.push(line);
  }

  #hear(bytes: Uint8Array): void {
    const { decoder, items } = decode(this.#decoder, bytes);
    this.#decoder = decoder;
    for (const item of items) {
      const result =
        item.kind === "frame" ? parseGuestMessage(item.value) : { ok: false as const, why: item.why };
      if (!result.ok) throw new Error(`The agent sent something that no host accepts: ${result.why}`);
      this.heard.push(result.message);
    }
  }

  #setOnline(vcpu: number, online: boolean): string | null {
    this.#now += this.changeTakesMs;
    const why = this.stubborn.get(vcpu);
    if (why !== undefined && !online) return why;
    const now = parseVcpuList(this.onlineNow());
    const next = online ? [...without(now, [vcpu]), vcpu].toSorted((a, b) => a - b) : without(now, [vcpu]);
    this.files.set(`${VCPUS}/online`, `${formatVcpuList(next)}\n`);
    this.files.set(`${VCPUS}/cpu${vcpu}/online`, online ? "1\n" : "0\n");
    if (!online) this.#setLoose(next);
    return null;
  }

  /** A task that has no online vCPU left may run on every one from then on. */
  #setLoose(online: readonly number[]): void {
    for (const path of this.files.keys()) {
      const pid = /^\/proc\/(\d+)\/status$/.exec(path)?.[1];
      if (pid === undefined) continue;
      const allowed = parseVcpuList(this.allowedOf(Number(pid)));
      if (allowed.some((v) => online.includes(v))) continue;
      this.#setAllowed(Number(pid), parseVcpuList(this.files.get(`${VCPUS}/present`)!));
    }
  }

  #setAllowed(pid: number, vcpus: readonly number[]): void {
    const status = this.files.get(`/proc/${pid}/status`) ?? "";
    const list = `Cpus_allowed_list:\t${formatVcpuList(vcpus)}`;
    this.files.set(`/proc/${pid}/status`, status.replace(/Cpus_allowed_list:\t.*/, list));
  }

  #due(end: number): Timer | undefined {
    return this.#timers.filter(({ atMs }) => atMs <= end).toSorted((a, b) => a.atMs - b.atMs)[0];
  }
}

interface Timer {
  readonly atMs: number;
  readonly call: () => void;
}

const VCPUS = "/sys/devices/system/cpu";
const CGROUP = "/sys/fs/cgroup";
const PARTITION = `${CGROUP}/vbal-isolated`;
