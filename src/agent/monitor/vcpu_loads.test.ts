import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { classify } from "./classify.ts";
import type { Quantity } from "./measure.ts";
import { switchesOf } from "./switch_kinds.ts";
import { atLeast } from "./vcpu_load.ts";
import { type Interval, type VcpuCounters, vcpuLoads } from "./vcpu_loads.ts";

const SECOND = 1_000_000_000;
const ZERO: VcpuCounters = { vcpu: 0, idleNs: 0, stealNs: 0, waitNs: 0, arrivals: 0 };

/** One vCPU over one second: what its counters grew by, and what else is known. */
function check(
  grown: Partial<VcpuCounters> & { readonly switches?: number },
  quantity: Quantity,
  more: Partial<Interval> = {},
): number | string {
  const interval: Interval = {
    before: { atMs: 0, switches: 0, vcpus: [{ ...ZERO, arrivals: grown.arrivals === null ? null : 0 }] },
    after: { atMs: 1_000, switches: grown.switches ?? 0, vcpus: [{ ...ZERO, ...grown }] },
    kinds: "not traced",
    cost: "not measured",
    groups: "not looked at",
    nodeOf: () => 0,
    host: null,
    hz: 2_000_000_000,
    self: { vcpu: -1, runNs: 0, waitNs: 0 },
    ...more,
  };
  const reading = vcpuLoads(interval)[0]!.readings[quantity];
  return reading.value === null ? reading.why : reading.value;
}

const RING = classify(
  {
    tracedMs: 100,
    hits: 100,
    pairs: [
      { vcpu: 0, prev: 1, next: 2, count: 60 },
      { vcpu: 0, prev: 2, next: 3, count: 20 },
      { vcpu: 0, prev: 3, next: 0, count: 10 },
      { vcpu: 0, prev: 0, next: 1, count: 10 },
    ],
  },
  { intervalMs: 1_000, find: (tid) => ({ process: tid < 3 ? 1 : 3 }) },
);
const COST = { sameProcessNs: 1_000, otherProcessNs: 2_000, how: "test" };

describe("one vCPU", () => {
  test.each<{
    why: string;
    grown: Parameters<typeof check>[0];
    quantity: Quantity;
    more?: Partial<Interval>;
    value: number | string;
  }>([
    {
      why: "P-32: busy and two waiting",
      grown: { waitNs: 2 * SECOND },
      quantity: "runnable-threads",
      value: 3,
    },
    {
      why: "P-32: idle three quarters of the time",
      grown: { idleNs: 0.75 * SECOND },
      quantity: "runnable-threads",
      value: 0.25,
    },
    {
      why: "pitfall 11: the monitor itself is not counted",
      grown: { waitNs: 0.5 * SECOND, idleNs: 0.5 * SECOND },
      quantity: "runnable-threads",
      more: { self: { vcpu: 0, runNs: 0.25 * SECOND, waitNs: 0.5 * SECOND } },
      value: 0.25,
    },
    {
      why: "P-25: steal is not consumed by the vCPU",
      grown: { idleNs: 0.25 * SECOND, stealNs: 0.5 * SECOND },
      quantity: "cycles",
      value: 500_000_000,
    },
    {
      why: "P-25: what the host says goes before",
      grown: {},
      quantity: "cycles",
      more: { host: { runNs: new Map([[0, 0.5 * SECOND]]) } },
      value: 1_000_000_000,
    },
    {
      why: "P-25: no frequency",
      grown: {},
      quantity: "cycles",
      more: { hz: null },
      value: expect.stringContaining("MHz"),
    },
    { why: "P-26: in all", grown: { arrivals: 90, switches: 100 }, quantity: "switches", value: 100 },
    {
      why: "P-27: the traced shares applied to the exact total",
      grown: { arrivals: 900, switches: 1_000 },
      quantity: "switches-same-process",
      more: { kinds: RING },
      value: 600,
    },
    {
      why: "P-28",
      grown: { arrivals: 900, switches: 1_000 },
      quantity: "switches-other-process",
      more: { kinds: RING },
      value: 200,
    },
    {
      why: "P-29: 600 switches of 1 us and 200 of 2 us are a thousandth of a busy second",
      grown: { arrivals: 900, switches: 1_000 },
      quantity: "switch-share",
      more: { kinds: RING, cost: COST },
      value: 0.1,
    },
    {
      why: "P-27: not traced",
      grown: { arrivals: 1 },
      quantity: "switches-same-process",
      value: "not traced",
    },
    {
      why: "P-29: not calibrated",
      grown: { arrivals: 900, switches: 1_000 },
      quantity: "switch-share",
      more: { kinds: RING },
      value: "not measured",
    },
    {
      why: "no schedstat",
      grown: { arrivals: null },
      quantity: "runnable-threads",
      value: expect.stringContaining("/proc/schedstat"),
    },
    {
      why: "P-33: most runnable threads identified",
      grown: { waitNs: 3 * SECOND },
      quantity: "runnable-processes",
      more: { groups: new Map([[0, { threads: 3.9, processes: 2, applications: 1, source: "test" }]]) },
      value: 2,
    },
    {
      why: "P-34: most of them unknown",
      grown: { waitNs: 3 * SECOND },
      quantity: "runnable-applications",
      more: { groups: new Map([[0, { threads: 1, processes: 1, applications: 1, source: "test" }]]) },
      value: "Only 1.0 of 4.0 runnable threads are identified",
    },
  ])("$why", ({ grown, quantity, more, value }) => {
    const found = check(grown, quantity, more);
    expect(typeof found === "number" ? Math.round(found * 1e6) / 1e6 : found).toEqual(value);
  });

  test("one that came online within the interval is left out", () => {
    const before = { atMs: 0, switches: 0, vcpus: [ZERO] };
    const after = { atMs: 1_000, switches: 0, vcpus: [ZERO, { ...ZERO, vcpu: 1 }] };
    const rest = { kinds: "", cost: "", groups: "", nodeOf: () => 0, host: null, hz: null };
    const loads = vcpuLoads({ before, after, ...rest, self: { vcpu: 0, runNs: 0, waitNs: 0 } });
    expect(loads.map(({ vcpu }) => vcpu)).toEqual([0]);
  });
});

test("P-26: the vCPUs' switches add up to the kernel's total, whatever was traced", () => {
  const counts = fc.record({ arrivals: fc.nat(10_000), toIdle: fc.nat(100) });
  fc.assert(
    fc.property(fc.array(counts, { minLength: 1, maxLength: 16 }), fc.nat(10_000), (vcpus, idle) => {
      const arrivals = new Map(vcpus.map(({ arrivals: count }, i) => [i, count]));
      const total = vcpus.reduce((sum, { arrivals: count }) => sum + count, 0) + idle;
      const none = { sameProcess: 0, otherProcess: 0, unknown: 0, fromIdle: 0 };
      const kinds = { source: "", vcpus: new Map(vcpus.map(({ toIdle }, i) => [i, { ...none, toIdle }])) };
      const found = [...switchesOf({ arrivals, total, kinds }).values()];
      const sum = found.reduce((all, { inAll }) => all + inAll.value!, 0);
      const someArrived = vcpus.some((vcpu) => 0 < vcpu.arrivals + vcpu.toIdle) || vcpus.length === 1;
      expect(sum).toBeCloseTo(someArrived ? total : total - idle, 5);
    }),
  );
});

describe("what is known of switches that were not traced, or not told apart", () => {
  const least = (kinds: Interval["kinds"]): number[] => {
    const after = { atMs: 1_000, switches: 1_000, vcpus: [{ ...ZERO, arrivals: 900 }] };
    const before = { atMs: 0, switches: 0, vcpus: [ZERO] };
    const rest = {
      groups: "",
      nodeOf: () => 0,
      host: null,
      hz: null,
      self: { vcpu: -1, runNs: 0, waitNs: 0 },
    };
    const [load] = vcpuLoads({ before, after, kinds, cost: COST, ...rest });
    return (["switch-share", "switch-share-same-process", "switches-other-process"] as const).map(
      (quantity) => atLeast(load!.readings[quantity]),
    );
  };

  test("not traced: no more than 100 of 900 can be from idle, each of the others costs what the cheaper kind does", () => {
    const [share, same, other] = least("not traced");
    expect([share!.toFixed(3), same, other]).toEqual(["0.080", 0, 0]);
  });

  test("most threads unknown: those that are known count with their kind, all of them with the cheaper", () => {
    const pairs = [
      { vcpu: 0, prev: 1, next: 2, count: 10 },
      { vcpu: 0, prev: 2, next: 3, count: 20 },
      { vcpu: 0, prev: 7, next: 8, count: 70 },
    ];
    const find = (tid: number) => (tid < 7 ? { process: tid < 3 ? 1 : 3 } : undefined);
    const kinds = classify({ tracedMs: 100, hits: 100, pairs }, { intervalMs: 1_000, find });
    const [share, same, other] = least(kinds);
    expect([share!.toFixed(3), same!.toFixed(3), other]).toEqual(["0.090", "0.009", 180]);
  });

  test("for any guest: it is never more than what really happened", () => {
    const vcpu = fc.record({ fromIdle: fc.nat(5_000), between: fc.nat(5_000) });
    fc.assert(
      fc.property(fc.array(vcpu, { minLength: 1, maxLength: 16 }), (vcpus) => {
        const arrivals = new Map(vcpus.map(({ fromIdle, between }, i) => [i, fromIdle + between]));
        // Each vCPU goes idle as often as it comes back.
        const total = vcpus.reduce((sum, { fromIdle, between }) => sum + 2 * fromIdle + between, 0);
        const found = switchesOf({ arrivals, total, kinds: "not traced" });
        expect(vcpus.every(({ between }, i) => found.get(i)!.between <= between)).toBe(true);
      }),
    );
  });
});
