/** Totals become a rate, or none. */
import { expect, test } from "vitest";
import type { VcpuReport } from "../../protocol/guest_messages.ts";
import { heedInterrupts, NO_INTERRUPTS } from "./interrupt_rate.ts";

interface Told {
  readonly atMs: number;
  readonly rescheduling?: number;
  readonly calls?: number;
  readonly shootdowns?: number;
  readonly online?: readonly number[];
}

/** A report of a guest with vCPUs 0 to 2; `null`: one without interrupts. */
function report(told: Told | null) {
  const { atMs = 0, rescheduling = 0, calls = 0, shootdowns = 0, online = [0, 1] } = told ?? {};
  const vcpus = [0, 1, 2].map((vcpu): VcpuReport => {
    const place = { socket: 0, core: vcpu, node: 0, stealNs: -1 };
    return { vcpu, online: online.includes(vcpu), isolated: false, canOffline: true, ...place };
  });
  const interrupts = { atMs, rescheduling, calls, shootdowns };
  return { kind: "report", vcpus, preflight: [], ...(told === null ? {} : { interrupts }) } as const;
}

test.each<{ why: string; reports: readonly (Told | null)[]; rates: readonly (number | null)[] }>([
  {
    why: "rescheduling and calls, per second of the guest's clock",
    reports: [
      { atMs: 100, rescheduling: 7, calls: 50 },
      { atMs: 15_100, rescheduling: 3_007, calls: 1_550 },
    ],
    rates: [null, 300],
  },
  {
    why: "shootdowns are among the calls",
    reports: [
      { atMs: 0, calls: 50 },
      { atMs: 1_000, calls: 150, shootdowns: 100 },
    ],
    rates: [null, 100],
  },
  {
    why: "a report that follows at once changes nothing; the next one counts from the last rate",
    reports: [
      { atMs: 0 },
      { atMs: 2_000, calls: 400 },
      { atMs: 2_010, calls: 500 },
      { atMs: 4_000, calls: 1_000 },
    ],
    rates: [null, 200, 200, 300],
  },
  {
    why: "totals that shrink have no rate; the next ones do",
    reports: [
      { atMs: 0, calls: 4_000_000_000 },
      { atMs: 2_000, calls: 10 },
      { atMs: 4_000, calls: 30 },
    ],
    rates: [null, null, 10],
  },
  {
    why: "a vCPU that comes online brings what it counted before: no rate, though the totals grew",
    reports: [
      { atMs: 0, calls: 10 },
      { atMs: 2_000, calls: 9_000, online: [0, 1, 2] },
      { atMs: 4_000, calls: 9_200, online: [0, 1, 2] },
      { atMs: 6_000, calls: 9_300, online: [0, 2] },
    ],
    rates: [null, null, 100, null],
  },
  {
    why: "time that runs backwards: the agent began a new life",
    reports: [
      { atMs: 9_000, calls: 10 },
      { atMs: 2_000, calls: 20 },
    ],
    rates: [null, null],
  },
  {
    why: "an older agent does not tell; one that ceases to is not believed on",
    reports: [null, { atMs: 0 }, { atMs: 1_000, calls: 50 }, null],
    rates: [null, null, 50, null],
  },
])("$why", ({ reports, rates }) => {
  let rate = NO_INTERRUPTS;
  const seen = reports.map((told) => {
    rate = heedInterrupts(rate, report(told));
    return rate.perSecond;
  });
  expect(seen).toEqual(rates);
});
