/** What /proc says of a process and its threads. Everything is `null` (or empty) once the thread is gone. */
import { readdirSync, readFileSync } from "node:fs";
import type { Nanoseconds, PcpuId } from "../../core/units.ts";
import { keepOpen } from "./kept_file.ts";

/** The threads of a process, ascending. */
export function threadsOf(process: number): number[] {
  try {
    return readdirSync(`/proc/${process}/task`)
      .map(Number)
      .sort((a, b) => a - b);
  } catch {
    return [];
  }
}

/** The process that a thread belongs to. */
export function processOf(thread: number): number | null {
  const match = /^Tgid:\s+(\d+)$/m.exec(read(`/proc/${thread}/status`) ?? "");
  return match === null ? null : Number(match[1]);
}

export interface ThreadState {
  /** The kernel's letter: R running, S asleep, T stopped, Z dead but not reaped, ... */
  readonly letter: string;
  /** In clock ticks since boot; with the pid it names a process for ever. */
  readonly startTime: string;
  readonly lastPcpu: PcpuId;
  /** `false` for a worker that the kernel runs in the process and places itself (io_uring has such). */
  readonly pinnable: boolean;
}

/** PF_NO_SETAFFINITY in the kernel's include/linux/sched.h. */
const NO_SETAFFINITY = 0x0400_0000;

/** From /proc/PID/task/TID/stat; the process itself is the thread with its own number. */
export function threadState(process: number, thread: number): ThreadState | null {
  return parseStat(read(`/proc/${process}/task/${thread}/stat`));
}

/** Since the thread began. */
export interface ThreadTimes {
  readonly run: Nanoseconds;
  readonly wait: Nanoseconds;
  readonly dispatches: number;
}

/** A thread that is looked at again and again: its files stay open, which makes a look several times cheaper. */
export interface WatchedThread {
  /** Time on a pCPU, time runnable but not run, and how often it was put on a pCPU. */
  times(): ThreadTimes | null;
  state(): ThreadState | null;
  close(): void;
}

export function watchThread(process: number, thread: number): WatchedThread {
  const schedstat = keepOpen(`/proc/${process}/task/${thread}/schedstat`);
  const stat = keepOpen(`/proc/${process}/task/${thread}/stat`);
  return {
    times: () => parseSchedstat(schedstat.read()),
    state: () => parseStat(stat.read()),
    close() {
      schedstat.close();
      stat.close();
    },
  };
}

/** A thread that may run on one pCPU alone ran there, which saves a question per thread and second. */
export function lastPcpuOf(thread: WatchedThread, pins: readonly PcpuId[] | null): PcpuId | null {
  return pins?.length === 1 ? pins[0]! : (thread.state()?.lastPcpu ?? null);
}

/** Three totals in a line (the kernel's Documentation/scheduler/sched-stats.rst): "1329924 2616717 3". */
export function parseSchedstat(text: string | null): ThreadTimes | null {
  const match = /^(\d+) (\d+) (\d+)$/.exec(text?.trimEnd() ?? "");
  if (match === null) return null;
  const [run, wait, dispatches] = match.slice(1).map(Number);
  return { run: run!, wait: wait!, dispatches: dispatches! };
}

function parseStat(text: string | null): ThreadState | null {
  if (text === null) return null;
  // The name in parentheses may hold anything, spaces and parentheses too: count from its end (proc(5)).
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [letter, flags, startTime, lastPcpu] = [fields[0], fields[6], fields[19], fields[36]];
  if (letter === undefined || startTime === undefined || lastPcpu === undefined) return null;
  return { letter, startTime, lastPcpu: Number(lastPcpu), pinnable: (Number(flags) & NO_SETAFFINITY) === 0 };
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
