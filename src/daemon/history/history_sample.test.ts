/** What one second of a host leaves in the history. */
import { expect, test } from "vitest";
import { type ControllerState, INITIAL_STATE } from "../../core/controller_state.ts";
import { domainOf, flatHost } from "../../core/sample_host.ts";
import type { DomainLoad, VcpuUsage } from "../../hypervisor/port.ts";
import { UsageWindow } from "../usage_window.ts";
import { type HistoryRow, NO_COUNTS, sampleOf } from "./history_sample.ts";

const MS = 1_000_000;
const SECOND_MS = 1_000;

function total(index: number, runMs: number, more: Partial<VcpuUsage> = {}): VcpuUsage {
  return { index, run: runMs * MS, wait: 0, steal: null, dispatches: null, lastPcpu: null, ...more };
}

/** Two pCPUs; "web" has one of two vCPUs online, "mute" says nothing and was not measured. */
function hostAt(atMs: number) {
  const usage = new UsageWindow();
  const look = (runMs: number, waitMs: number, dispatches: number) => [
    {
      domain: "web",
      interruptsPerSecond: 90,
      switchesPerSecond: 1_200,
      spinning: 0.5,
      inKernel: 0.25,
      vcpus: [
        total(0, runMs, { wait: waitMs * MS, dispatches, lastPcpu: 1 }),
        // Not a pCPU of this host: it was taken out meanwhile.
        total(1, 0, { lastPcpu: 7 }),
      ],
    },
  ];
  usage.push(look(0, 0, 0), atMs - SECOND_MS);
  usage.push(look(750, 125, 40), atMs);
  const state: ControllerState = {
    ...INITIAL_STATE,
    snapshot: {
      pcpus: flatHost(2),
      domains: [domainOf("mute", { vcpus: 1, silent: true }), domainOf("web", { vcpus: 2, online: 1 })],
    },
    plan: {
      domains: [
        {
          id: "web",
          entitlement: 1_333,
          target: 1,
          vcpus: [],
          sharesWith: [],
          emulatorPcpus: [],
          reasons: [],
        },
      ],
      moves: [],
      idlePcpus: [],
      notes: [],
    },
  };
  return { now: atMs, state, usage };
}

const NOTHING: HistoryRow = {
  kind: "domain",
  name: "",
  run: null,
  wait: null,
  steal: null,
  dispatches: null,
  interrupts: null,
  switches: null,
  spinning: null,
  inKernel: null,
  stacking: null,
  online: null,
  target: null,
  entitlement: null,
  ...NO_COUNTS,
};

test("a row for the host, for each domain, and for each pCPU by where vCPUs were seen last", () => {
  const counts = new Map([["web", { requests: 2, denials: 1, changes: 3 }]]);
  const { at, rows } = sampleOf({ ...hostAt(5_999), load: [] }, counts);
  const web = {
    run: 750,
    wait: 125,
    dispatches: 40,
    interrupts: 90,
    switches: 1_200,
    online: 1,
    target: 1,
    entitlement: 1_333,
  };
  const happened = { requests: 2, denials: 1, changes: 3 };
  expect(at).toBe(5);
  expect(rows).toEqual([
    { ...NOTHING, kind: "host", ...web, ...happened },
    { ...NOTHING, name: "mute" },
    { ...NOTHING, name: "web", ...web, spinning: 0.5, inKernel: 0.25, ...happened },
    { ...NOTHING, kind: "pcpu", name: "0", run: 0, wait: 0, online: 0 },
    { ...NOTHING, kind: "pcpu", name: "1", run: 750, wait: 125, online: 1 },
  ]);
});

test("switches of the host are those of the domains that tell any", () => {
  const rates = (told: Readonly<Record<string, number | null>>) => {
    const usage = new UsageWindow();
    const unread = { interruptsPerSecond: null, spinning: null, inKernel: null, vcpus: [total(0, 0)] };
    usage.push(
      Object.entries(told).map(([domain, switchesPerSecond]) => ({ domain, switchesPerSecond, ...unread })),
      5_000,
    );
    const domains = Object.keys(told).map((id) => domainOf(id, { vcpus: 1 }));
    const state: ControllerState = { ...INITIAL_STATE, snapshot: { pcpus: flatHost(1), domains } };
    const { rows } = sampleOf({ now: 5_000, state, usage, load: [] }, new Map());
    return rows.map(({ kind, switches }) => [kind, switches]);
  };
  const rows = (host: number | null, a: number | null, b: number | null) => [
    ["host", host],
    ["domain", a],
    ["domain", b],
    ["pcpu", null],
  ];
  expect(rates({ a: 700, b: 40 })).toEqual(rows(740, 700, 40));
  expect(rates({ a: 700, b: null })).toEqual(rows(700, 700, null));
  expect(rates({ a: null, b: null })).toEqual(rows(null, null, null));
});

test("siblings that ran on one pCPU are stacked; of one that is offline nothing is said", () => {
  const rowOf = (online: number, places: readonly number[]) => {
    const usage = new UsageWindow();
    const look = (runMs: number) => [
      {
        domain: "web",
        interruptsPerSecond: null,
        switchesPerSecond: null,
        spinning: null,
        inKernel: null,
        vcpus: places.map((lastPcpu, index) => total(index, runMs, { lastPcpu })),
      },
    ];
    usage.push(look(0), 4_000);
    usage.push(look(450), 5_000);
    const domains = [domainOf("web", { vcpus: 2, online })];
    const state: ControllerState = { ...INITIAL_STATE, snapshot: { pcpus: flatHost(2), domains } };
    const { rows } = sampleOf({ now: 5_000, state, usage, load: [] }, new Map());
    return rows.find(({ kind }) => kind === "domain")!.stacking;
  };
  expect([rowOf(2, [1, 1]), rowOf(2, [0, 1]), rowOf(1, [1, 1])]).toEqual([1, 0, null]);
});

test("of measures with a threshold the highest known value, of eight at most", () => {
  const ids = Array.from({ length: 10 }, (_, n) => `measure-${n}`);
  const load: DomainLoad = {
    domain: "web",
    measures: [
      { measure: "watched", subjects: [0, 1], values: [null, 1.5] },
      { measure: "unwatched", subjects: [0], values: [9] },
      { measure: "unknown", subjects: [0], values: [null] },
      ...ids.map((measure) => ({ measure, subjects: [0], values: [1] })),
    ],
    thresholds: [
      { measure: "unwatched", value: null, origin: "default" },
      ...["watched", "unknown", ...ids].map((measure) => ({ measure, value: 1, origin: "host" as const })),
    ],
    degraded: [],
    unknown: [],
  };
  const { measures } = sampleOf({ ...hostAt(5_000), load: [load] }, new Map());
  expect(measures).toEqual([
    { domain: "web", measure: "watched", value: 1.5 },
    ...ids.slice(0, 6).map((measure) => ({ domain: "web", measure, value: 1 })),
  ]);
});
