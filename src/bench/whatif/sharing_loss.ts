/**
 * What sharing a pCPU costs a vCPU of a guest that is alone on its host: how much more of a pCPU a piece of computing takes on two
 * vCPUs there than on one. No guest competes with another, so that what is predicted of several rests on none of it.
 */
import { watchThread } from "../../hypervisor/linux/threads.ts";
import type { Guest } from "../../lab/guest.ts";
import type { Lab } from "../../lab/lab.ts";
import { type Interval, ratioInterval } from "../statistics.ts";

export interface SharingLoss {
  /** The part of its speed: the median of the rounds. */
  readonly loss: number;
  readonly ci95: Interval;
  /** The same where the rounds tell it from nothing, and `null` where they do not: then it is no fact to predict from. */
  readonly known: number | null;
  /** Of each round, in order: pieces per second of time on the pCPU. */
  readonly alone: readonly number[];
  readonly shared: readonly number[];
}

export function sharingLine({ loss, ci95, known }: SharingLoss): string {
  const percent = (part: number) => (100 * part).toFixed(1);
  const told = `A vCPU of a guest alone loses ${percent(loss)} % [${percent(ci95[0])}, ${percent(ci95[1])}] of its speed when it shares its pCPU`;
  return known === null ? `${told}: not told from nothing, so it is left open` : told;
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
    return sharingLossOf(alone, shared);
  } finally {
    await guest.stop();
  }
}

/** Speeds of the same round are compared: the machine's own changes more from one minute to the next. */
export function sharingLossOf(alone: readonly number[], shared: readonly number[]): SharingLoss {
  const { ratio, ci95 } = ratioInterval(shared, alone);
  const loss = 1 - ratio;
  const [low, high] = [1 - ci95[1], 1 - ci95[0]];
  return { loss, ci95: [low, high], known: 0 < low ? loss : null, alone, shared };
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
