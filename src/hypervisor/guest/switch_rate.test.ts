/** A total becomes a rate, or none. */
import { expect, test } from "vitest";
import type { VcpuReport } from "../../protocol/guest_messages.ts";
import { heedSwitches, NO_SWITCHES } from "./switch_rate.ts";

interface Told {
  readonly atMs: number;
  readonly total: number;
  readonly online?: readonly number[];
}

/** A report of a guest with vCPUs 0 to 2; `null`: one without switches. */
function report(told: Told | null) {
  const { atMs = 0, total = 0, online = [0, 1] } = told ?? {};
  const vcpus = [0, 1, 2].map((vcpu): VcpuReport => {
    const place = { socket: 0, core: vcpu, node: 0, stealNs: -1 };
    return { vcpu, online: online.includes(vcpu), isolated: false, canOffline: true, ...place };
  });
  return {
    kind: "report",
    vcpus,
    preflight: [],
    ...(told === null ? {} : { switches: { atMs, total } }),
  } as const;
}

test.each<{ why: string; reports: readonly (Told | null)[]; rates: readonly (number | null)[] }>([
  {
    why: "of all vCPUs together, per second of the guest's clock",
    reports: [
      { atMs: 100, total: 70_000 },
      { atMs: 15_100, total: 74_500 },
    ],
    rates: [null, 300],
  },
  {
    why: "a guest at rest",
    reports: [
      { atMs: 0, total: 70_000 },
      { atMs: 15_000, total: 70_000 },
    ],
    rates: [null, 0],
  },
  {
    why: "a report that follows at once changes nothing; the next one counts from the last rate",
    reports: [
      { atMs: 0, total: 0 },
      { atMs: 2_000, total: 400 },
      { atMs: 2_010, total: 500 },
      { atMs: 4_000, total: 1_000 },
    ],
    rates: [null, 200, 200, 300],
  },
  {
    why: "nothing is told of the first second, however many reports it has",
    reports: [
      { atMs: 0, total: 0 },
      { atMs: 500, total: 100 },
      { atMs: 999, total: 200 },
      { atMs: 1_000, total: 300 },
    ],
    rates: [null, null, null, 300],
  },
  {
    why: "a total that shrinks has no rate; the next one does",
    reports: [
      { atMs: 0, total: 4_000_000_000 },
      { atMs: 2_000, total: 10 },
      { atMs: 4_000, total: 30 },
    ],
    rates: [null, null, 10],
  },
  {
    why: "one that shrinks at once does not keep the rate either",
    reports: [
      { atMs: 0, total: 0 },
      { atMs: 2_000, total: 400 },
      { atMs: 2_010, total: 399 },
    ],
    rates: [null, 200, null],
  },
  {
    why: "vCPUs that come and go leave what they counted in the total",
    reports: [
      { atMs: 0, total: 10 },
      { atMs: 2_000, total: 210, online: [0, 1, 2] },
      { atMs: 4_000, total: 610, online: [0] },
    ],
    rates: [null, 100, 200],
  },
  {
    why: "time that runs backwards: the guest began a new life",
    reports: [
      { atMs: 9_000, total: 10 },
      { atMs: 2_000, total: 20 },
      { atMs: 4_000, total: 40 },
    ],
    rates: [null, null, 10],
  },
  {
    why: "all that can be said in a second",
    reports: [
      { atMs: 0, total: 0 },
      { atMs: 1_000, total: Number.MAX_SAFE_INTEGER },
      { atMs: Number.MAX_SAFE_INTEGER, total: Number.MAX_SAFE_INTEGER },
    ],
    rates: [null, Number.MAX_SAFE_INTEGER, 0],
  },
  {
    why: "an older agent does not tell; one that ceases to is not believed on",
    reports: [null, { atMs: 0, total: 0 }, { atMs: 1_000, total: 50 }, null, { atMs: 2_000, total: 99 }],
    rates: [null, null, 50, null, null],
  },
])("$why", ({ reports, rates }) => {
  let rate = NO_SWITCHES;
  const seen = reports.map((told) => {
    rate = heedSwitches(rate, report(told));
    return rate.perSecond;
  });
  expect(seen).toEqual(rates);
});
