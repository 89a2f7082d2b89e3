/** What /proc says of a process and its threads. Everything is `null` (or empty) once the thread is gone. */
import { readdirSync, readFileSync } from "node:fs";
import type { Nanoseconds, PcpuId } from "../../core/units.ts";

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
  const text = read(`/proc/${process}/task/${thread}/stat`);
  if (text === null) return null;
  // The name in parentheses may hold anything, spaces and parentheses too: count from its end (proc(5)).
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [letter, flags, startTime, lastPcpu] = [fields[0], fields[6], fields[19], fields[36]];
  if (letter === undefined || startTime === undefined || lastPcpu === undefined) return null;
  return { letter, startTime, lastPcpu: Number(lastPcpu), pinnable: (Number(flags) & NO_SETAFFINITY) === 0 };
}

export interface ThreadTimes {
  readonly run: Nanoseconds;
  readonly wait: Nanoseconds;
}

/** Time on a pCPU, and time runnable but not run, since the thread began (/proc/PID/task/TID/schedstat). */
export function threadTimes(process: number, thread: number): ThreadTimes | null {
  const [run, wait] = (read(`/proc/${process}/task/${thread}/schedstat`) ?? "").split(" ");
  if (run === undefined || wait === undefined) return null;
  return { run: Number(run), wait: Number(wait) };
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
