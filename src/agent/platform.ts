import type { QueueReading } from "./sources/counters.ts";
import type { QueueRule, QueueWatch } from "./sources/queue_watch.ts";

/**
 * What the agent needs of the world it runs in; platform_quickjs.ts and node/platform_node.ts provide it, tests use
 * a guest made of plain data. A failure is a value: the reason in the kernel's words, never an exception.
 */
export interface Platform {
  /** The whole file as text, one character per byte; `null` when it cannot be read. FILE_BYTES_MAX at most. */
  readFile(path: string): string | null;
  /** Writes to a file of the kernel with one write call. `null` when done, else the kernel's reason. */
  writeFile(path: string, text: string): string | null;
  /** Makes or replaces an ordinary file, so that a reader finds either the old or the new text. */
  replaceFile(path: string, text: string): string | null;
  /** Removes a file or an empty directory. */
  remove(path: string): string | null;
  makeDirectory(path: string): string | null;
  /** Names in a directory, in no stated order; empty when there is no such directory. */
  listDirectory(path: string): readonly string[];
  /** Runs a program, found through PATH, to its end, its output dropped. 0 when it did what it was asked. */
  run(command: readonly string[]): number;
  /** Starts a program like `run` and goes on; the answer tells whether it has ended. */
  start(command: readonly string[]): () => boolean;
  /**
   * Measures the direct cost of a context switch, in nanoseconds, on one vCPU for about `ms`: two threads, then two
   * processes, pass a byte to and fro; what passing it costs without a switch is subtracted. A reason where the
   * platform cannot.
   */
  measureSwitches(ms: number): { readonly sameProcessNs: number; readonly otherProcessNs: number } | string;
  /**
   * How long the agent has run since its start, in milliseconds with fractions: its own code, the kernel's work for it,
   * and the programs that it started and that have ended.
   */
  cpuMs(): number;
  /** The vCPU that the agent is on; -1 where nobody tells. */
  vcpuNow(): number;
  /** From now on the agent goes before ordinary programs (`NICE`), where it may. */
  goFirst(): void;
  /** A clock that never jumps, in milliseconds with fractions. */
  nowMs(): number;
  /** Calls once, no earlier than `ms` from now; the answer cancels it. */
  after(ms: number, call: () => void): () => void;
  /** Calls once, when the run queues stir (sources/queue_watch.ts). One watch at a time. */
  watchQueues(rule: QueueRule, onStir: (before: QueueReading) => void): QueueWatch;
  /** Opens the channel to the host; the reason when that is not possible now. */
  openPort(path: string, events: PortEvents): Port | string;
  /** Makes a pipe with a name, for its owner alone, and calls with what others write into it; a reason when it cannot. */
  openPipe(path: string, onBytes: (chunk: Uint8Array) => void): Pipe | string;
  /** Writes into such a pipe without waiting; a reason when nobody listens. */
  writePipe(path: string, text: string): string | null;
  /** One line for the guest's administrator. */
  log(line: string): void;
}

/**
 * It is needed just when its guest is short of vCPUs, and then waits in its guest's queues: a look that takes 30 ms took up to
 * 300 there. It takes a hundredth of a vCPU, so that nobody misses what it has first.
 */
export const NICE = -10;

export interface Pipe {
  close(): void;
}

export interface Port {
  /** Hands bytes over; they wait in memory while the host does not read, and reading pauses meanwhile. */
  send(bytes: Uint8Array): void;
  /** Bytes that wait. */
  backlog(): number;
  close(): void;
}

export interface PortEvents {
  /** Somebody at the host's end; after `onHungUp` it may come again. */
  onConnected(): void;
  onBytes(chunk: Uint8Array): void;
  /** Nobody at the host's end any more; what waited is dropped. */
  onHungUp(): void;
  /** The port itself is gone or broken: it closed itself; open another one. */
  onGone(why: string): void;
}

/** The longest file that the agent reads: /proc/stat and /proc/interrupts of a big guest stay far below. */
export const FILE_BYTES_MAX = 262_144;

/**
 * Reading pauses while more than this waits to be sent: a host that asks and does not listen is then held up by its
 * own full pipe instead of filling the guest's memory. One frame of the greatest length may come on top.
 */
export const BACKLOG_BYTES_MAX = 65_536;

/** The program that makes a pipe with a name; no JavaScript engine has a call for it. */
export const MAKE_PIPE: readonly string[] = ["mkfifo", "-m", "600"];
