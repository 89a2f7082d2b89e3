/**
 * What sharing a pCPU costs a vCPU of a guest that is alone on its host: how much more of a pCPU a piece of computing takes on two
 * vCPUs there than on one. No guest competes with another, so that what is predicted of several rests on none of it.
 */
import { watchThread } from "../../hypervisor/linux/threads.ts";
import type { Guest } from "../../lab/guest.ts";
import type { Lab } from "../../lab/lab.ts";
import { median } from "./repeated_runs.ts";

export interface SharingLoss {
  /** The part of its speed, from 0 to 1. */
  readonly loss: number;
  /** Of each round, in order: pieces per second of time on the pCPU. */
  readonly alone: readonly number[];
  readonly shared: readonly number[];
}

const ROUNDS = 7;
const SECONDS = 4;

export async function measureSharingLoss(lab: Lab): Promise<SharingLoss> {
  const guest = await lab.boot({ name: "lone", vcpus: 2, pcpus: [0] });
  try {
    await guest.waitReady();
    await guest.pinVcpus([[0], [0]]);
    const alone: number[] = [];
    const shared: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      alone.push(await speed(guest, 1));
      shared.push(await speed(guest, 2));
    }
    // Round by round: the machine's own speed changes more from one minute to the next.
    const losses = alone.map((fast, round) => 1 - shared[round]! / fast);
    return { loss: Math.max(0, median(losses)), alone, shared };
  } finally {
    await guest.stop();
  }
}

async function speed(guest: Guest, threads: number): Promise<number> {
  const vcpus = (await guest.vcpuThreads()).map(({ tid }) => watchThread(guest.pid, tid));
  const ran = () => vcpus.reduce((sum, vcpu) => sum + (vcpu.times()?.run ?? 0), 0);
  try {
    const before = ran();
    const { rate } = await guest.rate("compute", { seconds: SECONDS, threads });
    return (rate * SECONDS * NS_PER_SECOND) / (ran() - before);
  } finally {
    for (const vcpu of vcpus) vcpu.close();
  }
}

const NS_PER_SECOND = 1_000_000_000;
