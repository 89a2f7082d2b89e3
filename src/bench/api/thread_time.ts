/**
 * Processor time of the calling thread alone, to the nanosecond: what others run on the same pCPU meanwhile does not count,
 * and neither do the process's other threads.
 */
import koffi from "koffi";

const CLOCK_THREAD_CPUTIME_ID = 3;
const MS_PER_SECOND = 1_000;
const NS_PER_MS = 1e6;

type ClockGettime = (clock: number, time: BigInt64Array) => number;
let call: ClockGettime | null = null;
/** Seconds and nanoseconds; written anew by each call. */
const time = new BigInt64Array(2);

/** In milliseconds; only differences mean something. */
export function threadTimeMs(): number {
  call ??= koffi
    .load("libc.so.6")
    .func("int clock_gettime(int clock, int64_t *time)") as unknown as ClockGettime;
  if (call(CLOCK_THREAD_CPUTIME_ID, time) !== 0) {
    throw new Error(`The kernel does not tell a thread's processor time (errno ${koffi.errno()})`);
  }
  return MS_PER_SECOND * Number(time[0]) + Number(time[1]) / NS_PER_MS;
}
