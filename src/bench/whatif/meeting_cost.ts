/**
 * What it costs two threads to take turns, in a guest that is alone on its host: on one vCPU, where one blocks and the other goes on;
 * and on two vCPUs, where the other's vCPU sleeps and has to be interrupted. Barriers of the lab are met at in all cases, with the
 * same work between them, so that what they take of a pCPU differs by that alone. No guest competes with another, so that what is
 * predicted of several rests on none of it.
 */
import { watchThread } from "../../hypervisor/linux/threads.ts";
import type { Guest } from "../../lab/guest.ts";
import type { Lab } from "../../lab/lab.ts";
import { type Interval, median, medianInterval } from "../statistics.ts";

export interface MeetingCost {
  /** Nanoseconds on a pCPU, each the median of the rounds. */
  readonly handoverNs: number;
  readonly handoverCi95: Interval;
  /** More than a hand-over takes. */
  readonly wakeupNs: number;
  readonly wakeupCi95: Interval;
  readonly rounds: readonly MeetingRound[];
}

/** What one meeting of two threads takes of pCPUs, with the work before it: nanoseconds. */
export interface MeetingRound {
  /** One thread does the work of both, and meets nobody. */
  readonly alone: number;
  readonly oneVcpu: number;
  /** Two vCPUs, on one pCPU and with one each. */
  readonly stacked: number;
  readonly apart: number;
}

export function meetingLine({ handoverNs, handoverCi95, wakeupNs, wakeupCi95 }: MeetingCost): string {
  const us = (ns: number) => (ns / 1_000).toFixed(1);
  const told = (ns: number, [low, high]: Interval) => `${us(ns)} us [${us(low)}, ${us(high)}]`;
  return `Threads of a guest alone take turns in ${told(handoverNs, handoverCi95)} on one vCPU; where a vCPU has to be woken for it, that takes ${told(wakeupNs, wakeupCi95)} more`;
}

const ROUNDS = 5;
/** A second or two of an emulating pCPU where nothing has to be woken. */
const SCALE = 0.2;
/** What the program does at this scale (src/lab/programs/futex_barrier.c): pieces, two to a meeting. */
const MEETINGS = (150_000 * SCALE) / 2;
const RUN_MS_MAX = 120_000;

export async function measureMeetingCost(lab: Lab): Promise<MeetingCost> {
  const guest = await lab.boot({ name: "turns", vcpus: 2, pcpus: [0, 1] });
  try {
    await guest.waitReady();
    const rounds: MeetingRound[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await guest.output(["sh", "-c", "echo 0 > /sys/devices/system/cpu/cpu1/online"]);
      await guest.pinVcpus([[0], [0]]);
      const [alone, oneVcpu] = [await meetingNs(guest, 1), await meetingNs(guest, 2)];
      await guest.output(["sh", "-c", "echo 1 > /sys/devices/system/cpu/cpu1/online"]);
      const stacked = await meetingNs(guest, 2);
      await guest.pinVcpus([[0], [1]]);
      rounds.push({ alone, oneVcpu, stacked, apart: await meetingNs(guest, 2) });
    }
    return meetingCostOf(rounds);
  } finally {
    await guest.stop();
  }
}

/** Times of the same round are compared: the machine's own speed changes more from one minute to the next. */
export function meetingCostOf(rounds: readonly MeetingRound[]): MeetingCost {
  const handovers = rounds.map(({ alone, oneVcpu }) => oneVcpu - alone);
  // Guests that share a host meet in both ways: the mean that is as many times above the one as below the other.
  const wakeups = rounds.map(({ oneVcpu, stacked, apart }) =>
    Math.sqrt(Math.max(0, stacked - oneVcpu) * Math.max(0, apart - oneVcpu)),
  );
  return {
    handoverNs: median(handovers),
    handoverCi95: medianInterval(handovers),
    wakeupNs: median(wakeups),
    wakeupCi95: medianInterval(wakeups),
    rounds,
  };
}

async function meetingNs(guest: Guest, threads: number): Promise<number> {
  const vcpus = (await guest.vcpuThreads()).map(({ tid }) => watchThread(guest.pid, tid));
  const ran = () => vcpus.reduce((sum, vcpu) => sum + (vcpu.times()?.run ?? 0), 0);
  try {
    const before = ran();
    await guest.run("futex-barrier", { threads, scale: SCALE, deadlineMs: RUN_MS_MAX });
    return (ran() - before) / MEETINGS;
  } finally {
    for (const vcpu of vcpus) vcpu.close();
  }
}
