/** A running guest: its sockets, its vCPU threads, programs inside it, its end. */
import { execFile } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { z } from "zod";
import {
  commandFor,
  type GuestProgram,
  type ProgramOptions,
  type RateOptions,
  rateCommandFor,
} from "./guest_program.ts";
import { endGuest, type GuestRecord } from "./guest_record.ts";
import { connectMonitor, type Monitor } from "./monitor.ts";
import { isAlive, signal } from "./processes.ts";
import { type GuestPaths, guestPaths } from "./qemu_arguments.ts";
import { connectRunner, type Runner, type RunOptions, type RunOutcome } from "./runner.ts";

/** `seconds` is in-guest time: the program's own for ours, start to end for the others. */
export interface ProgramResult {
  readonly program: GuestProgram;
  readonly seconds: number;
}

export interface RateResult {
  readonly program: GuestProgram;
  readonly seconds: number;
  readonly rounds: number;
  /** Rounds per second over the whole time. */
  readonly rate: number;
}

export interface RateLine {
  readonly second: number;
  /** Rounds per second in this second. */
  readonly rate: number;
  readonly threads: number;
}

export interface VcpuThread {
  readonly index: number;
  /** The host's thread id. */
  readonly tid: number;
}

export class Guest {
  readonly #folder: string;
  readonly #record: GuestRecord;
  readonly #paths: GuestPaths;
  #monitor: Promise<Monitor> | null = null;
  #runner: Promise<Runner> | null = null;
  /** What it does before anything else, until it has done so. */
  #first: readonly string[] | null = null;

  /** Made by `Lab.boot` and `Lab.attach`. */
  constructor(folder: string, record: GuestRecord) {
    this.#folder = folder;
    this.#record = record;
    this.#paths = guestPaths(folder, record.spec.name);
  }

  get name(): string {
    return this.#record.spec.name;
  }

  get pid(): number {
    return this.#record.qemu.pid;
  }

  get alive(): boolean {
    return isAlive(this.#record.qemu);
  }

  /** For the daemon: the monitor, our agent's channel, the stock agent's channel. */
  get qmpSocket(): string {
    return this.#paths.qmp;
  }

  get agentSocket(): string {
    return this.#paths.agent;
  }

  get qgaSocket(): string {
    return this.#paths.qga;
  }

  /** Resolves when the guest can run programs; rejects with the end of its console when it does not come up. */
  async waitReady(deadlineMs: number = BOOT_MAX_MS): Promise<void> {
    this.#runner ??= this.#connected(deadlineMs);
    try {
      await this.#runner;
    } catch (fault) {
      this.#runner = null;
      throw new Error(`Guest ${this.name}: ${messageOf(fault)}${this.#tail()}`);
    }
  }

  /** Resolves when its vCPUs run, which is when its state has been read where it is restored. */
  async running(): Promise<void> {
    const monitor = await this.monitor();
    const until = performance.now() + RESTORE_MAX_MS;
    while (!QUERY_STATUS.parse(await monitor.execute("query-status")).running) {
      if (until < performance.now()) throw new Error(`Guest ${this.name} does not run${this.#tail()}`);
      await sleep(LOOK_EVERY_MS);
    }
  }

  /** As soon as it runs, and before `waitReady` resolves, it does this. */
  awaken(argv: readonly string[]): void {
    this.#first = argv;
    // Whoever waits for it hears of the fault.
    void this.waitReady().catch(() => undefined);
  }

  async #connected(deadlineMs: number): Promise<Runner> {
    const runner = await connectRunner(this.#paths.runner, { deadlineMs, giveUp: () => this.#whyHopeless() });
    if (this.#first === null) return runner;
    const { code, stderr } = await runner.exec(this.#first);
    if (code !== 0) {
      runner.close();
      throw new Error(`${this.#first.join(" ")} exited with ${code}: ${stderr.trim()}`);
    }
    this.#first = null;
    return runner;
  }

  /** Runs a command in the guest, without a shell. Several may run at once. */
  async exec(argv: readonly string[], options: RunOptions = {}): Promise<RunOutcome> {
    await this.waitReady();
    return (await this.#runner!).exec(argv, options);
  }

  /** The same, and rejects when it exits with anything but 0; returns what it printed, without the last newline. */
  async output(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.exec(argv, options);
    if (code !== 0) {
      throw new Error(
        `Guest ${this.name}: ${argv.join(" ")} exited with ${code}: ${stderr.trim() || stdout.trim()}`,
      );
    }
    return stdout.replace(/\n$/, "");
  }

  /** A fixed amount of work; see guest_program.ts. */
  async run(program: GuestProgram, options: ProgramOptions & RunOptions = {}): Promise<ProgramResult> {
    const argv = commandFor(program, options);
    const { code, stdout, stderr, seconds } = await this.exec(argv, options);
    if (code !== 0) {
      throw new Error(`Guest ${this.name}: ${program} exited with ${code}: ${(stderr || stdout).trim()}`);
    }
    const own = argv[0] === "/lab/load" ? FIXED_WORK.parse(JSON.parse(stdout)).seconds : seconds;
    return { program, seconds: own };
  }

  /** Work by the clock: `onRate` hears every second. */
  async rate(
    program: GuestProgram,
    options: RateOptions & { readonly onRate?: (line: RateLine) => void; readonly signal?: AbortSignal },
  ): Promise<RateResult> {
    const lines: string[] = [];
    await this.output(rateCommandFor(program, options), {
      deadlineMs: options.seconds * 1000 + RATE_SLACK_MS,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      onLine: (line) => {
        lines.push(line);
        const second = RATE_LINE.safeParse(JSON.parse(line));
        if (second.success) options.onRate?.(second.data);
      },
    });
    return { program, ...RATE_TOTAL.parse(JSON.parse(lines.at(-1) ?? "null")) };
  }

  /** The lab's own monitor. */
  monitor(): Promise<Monitor> {
    this.#monitor ??= connectMonitor(this.#paths.labQmp, {
      deadlineMs: MONITOR_MAX_MS,
      giveUp: () => this.#whyHopeless(),
    }).catch((fault: unknown) => {
      this.#monitor = null;
      throw new Error(`Guest ${this.name}: ${messageOf(fault)}${this.#tail()}`);
    });
    return this.#monitor;
  }

  async vcpuThreads(): Promise<readonly VcpuThread[]> {
    const answer = await (await this.monitor()).execute("query-cpus-fast");
    return QUERY_CPUS.parse(answer)
      .map((vcpu) => ({ index: vcpu["cpu-index"], tid: vcpu["thread-id"] }))
      .sort((a, b) => a.index - b.index);
  }

  /** Lets each vCPU run on the pCPUs at its place in the list; those beyond the list are left alone. */
  async pinVcpus(pins: readonly (readonly number[])[]): Promise<void> {
    const threads = await this.vcpuThreads();
    for (const [index, pcpus] of pins.entries()) {
      const thread = threads.find((vcpu) => vcpu.index === index);
      if (thread === undefined) throw new Error(`Guest ${this.name} has no vCPU ${index} to pin`);
      await promisify(execFile)("taskset", ["-p", "-c", pcpus.join(","), String(thread.tid)], {
        timeout: PIN_MAX_MS,
      });
    }
  }

  /** True when QEMU still ran to receive it. */
  kill(name: NodeJS.Signals): boolean {
    return signal(this.#record.qemu, name);
  }

  /** Ends the guest, running or stopped, and removes its files. */
  async stop(): Promise<void> {
    this.detach();
    await endGuest(this.#folder, this.#record);
  }

  /** Lets go of the connections; the guest runs on. */
  detach(): void {
    this.#runner?.then(
      (runner) => runner.close(),
      () => {},
    );
    this.#monitor?.then(
      (monitor) => monitor.close(),
      () => {},
    );
    this.#runner = null;
    this.#monitor = null;
  }

  /** Why it makes no sense to wait any longer, or `null`. */
  #whyHopeless(): string | null {
    if (!this.alive) return "QEMU ended";
    return readTail(this.#paths.console).includes("Kernel panic") ? "its kernel panicked" : null;
  }

  #tail(): string {
    const said = [readTail(this.#paths.errors), readTail(this.#paths.console)].filter((text) => text !== "");
    return said.length === 0 ? "" : `\nThe last that QEMU and the guest's console said:\n${said.join("\n")}`;
  }
}

/** Two guests on two busy pCPUs are up in ten seconds, ten in about a minute; the rest is for slow machines. */
export const BOOT_MAX_MS = 120_000;

const MONITOR_MAX_MS = 10_000;
/** To read 160 MB takes half a second. */
const RESTORE_MAX_MS = 60_000;
const LOOK_EVERY_MS = 20;
const PIN_MAX_MS = 5_000;

/** A crowded guest may report its last second late. */
const RATE_SLACK_MS = 30_000;

const TAIL_BYTES = 2_000;

const FIXED_WORK = z.object({ seconds: z.number() });
const RATE_LINE = z.object({ second: z.number(), rate: z.number(), threads: z.number() });
const RATE_TOTAL = z.object({ seconds: z.number(), rounds: z.number(), rate: z.number() });
const QUERY_STATUS = z.object({ running: z.boolean() });
const QUERY_CPUS = z.array(z.object({ "cpu-index": z.number(), "thread-id": z.number() }));

function readTail(path: string): string {
  if (!existsSync(path)) return "";
  const { size } = statSync(path);
  if (size <= TAIL_BYTES) return readFileSync(path, "utf8").trim();
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(TAIL_BYTES);
    readSync(file, bytes, 0, TAIL_BYTES, size - TAIL_BYTES);
    return bytes.toString().trim();
  } finally {
    closeSync(file);
  }
}

function messageOf(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault);
}
