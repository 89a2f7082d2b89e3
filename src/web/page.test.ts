/** The page's pure parts; what a person sees is tested in a browser (page.browser.test.ts). */
import { describe, expect, test } from "vitest";
import type { PlanView } from "../protocol/plan_view.ts";
import type { DomainView, MeasureView, StateView } from "../protocol/state_view.ts";
import { hueOf, keyOf } from "./domain_colour.ts";
import { sumsOf, worstMeasure } from "./domain_sums.ts";
import { pcpus, percent, quantity, ranges, span } from "./format.ts";
import { cellsOf } from "./map_cells.ts";
import { differences } from "./plan_differences.ts";
import { changeOf } from "./policy_change.ts";
import { splitEvents } from "./split_events.ts";
import { isWatched, originText, standing } from "./threshold.ts";

test.each([
  [
    "quantity",
    quantity,
    [
      [null, "–"],
      [0, "0"],
      [0.123456, "0.123"],
      [1_234, "1230"],
      [123_456, "123 k"],
      [2.5e9, "2.5 G"],
    ],
  ],
  [
    "percent",
    percent,
    [
      [null, "–"],
      [0.4, "0 %"],
      [99.6, "100 %"],
    ],
  ],
  [
    "pcpus",
    pcpus,
    [
      [null, "–"],
      [1_500, "1.5"],
      [333, "0.33"],
    ],
  ],
  [
    "span",
    span,
    [
      [900, "0 s"],
      [61_000, "1 min"],
      [90_000_000, "1 d"],
    ],
  ],
] as const)("%s is short, and what is not known is a dash", (_name, show, rows) => {
  for (const [value, text] of rows) expect((show as (value: number | null) => string)(value)).toBe(text);
});

test.each([
  [null, "–"],
  [[], ""],
  [[4], "4"],
  [[0, 1, 2, 5, 7, 8], "0-2,5,7-8"],
])("ranges of %j are %s", (ids, text) => expect(ranges(ids)).toBe(text));

test("every domain has a letter of its own, and neighbours are not alike", () => {
  const keys = Array.from({ length: 200 }, (_, number) => keyOf(number));
  expect(new Set(keys).size).toBe(200);
  expect(keys.slice(24, 29)).toEqual(["Y", "Z", "AA", "AB", "AC"]);
  for (let number = 0; number < 50; number++) {
    const apart = Math.abs(hueOf(number) - hueOf(number + 1));
    expect(Math.min(apart, 360 - apart)).toBeGreaterThan(100);
  }
});

test.each([
  {
    what: "a whole event and a half",
    text: "event: state\ndata: {1}\n\ndata: {2",
    events: ["{1}"],
    rest: "data: {2",
  },
  { what: "a comment is no event", text: ": still here\n\n", events: [], rest: "" },
  { what: "data over several lines", text: "data: a\ndata: b\n\n", events: ["a\nb"], rest: "" },
  { what: "line ends of other systems", text: "data: a\r\n\r\n", events: ["a"], rest: "" },
])("server-sent events: $what", ({ text, events, rest }) =>
  expect(splitEvents(text)).toEqual({ events, rest }),
);

describe("the map", () => {
  test("a vCPU is where it is pinned; one that floats is where it ran last; one that is not in use is nowhere", () => {
    const state = stateOf(
      [0, 1, 2],
      [
        domainOf("a", [
          { index: 0, pcpus: [1], lastPcpu: 1, runPercent: 30 },
          { index: 1, pcpus: [2], lastPcpu: 0, runPercent: 20 },
          { index: 2, pcpus: [0], online: false },
        ]),
        domainOf("b", [{ index: 0, pcpus: [0, 1, 2], lastPcpu: 1, runPercent: 25 }]),
      ],
    );
    const shown = cellsOf(state).map(({ pcpu, guests, runPercent }) => [
      pcpu.id,
      guests.map(({ domain, vcpu, isRunning }) => `${domain}${vcpu}${isRunning ? "" : "?"}`).join(" "),
      runPercent,
    ]);
    expect(shown).toEqual([
      [0, "", 20],
      [1, "a0 b0", 55],
      [2, "a1?", null],
    ]);
  });
});

describe("one line of a domain", () => {
  test("means are over the vCPUs in use, and what is not known is left out", () => {
    const domain = domainOf("a", [
      { index: 0, runPercent: 100 },
      { index: 1, runPercent: null },
      { index: 2, runPercent: 0, online: false },
    ]);
    expect(sumsOf(domain)).toEqual({ run: 100, wait: null, steal: null });
  });

  test("the measure that matters is the one furthest over its threshold", () => {
    const measures = [
      {
        measure: "vcpu.composite",
        unit: "ratio",
        subjects: [0, 1],
        values: [0.5, 1.2],
        threshold: 1,
        origin: "default" as const,
      },
      {
        measure: "node.runnable-threads",
        unit: "threads",
        subjects: [0],
        values: [9],
        threshold: 3,
        origin: "host" as const,
      },
      {
        measure: "vm.switches",
        unit: "switches/s",
        subjects: [-1],
        values: [9e9],
        threshold: null,
        origin: null,
      },
    ];
    expect(worstMeasure({ ...domainOf("a", []), load: { measures, degraded: [] } })).toEqual({
      ratio: 3,
      text: "node.runnable-threads of node 0",
    });
    expect(worstMeasure(domainOf("a", []))).toBeNull();
  });
});

describe("P-59: a threshold is the host's word as soon as it is given, and the guest's once it follows", () => {
  test.each<[string, number | null | undefined, number | null, MeasureView["origin"], unknown[]]>([
    // what the host says, what is in force in the guest and by whom; shown, by whom, and whether it stands in the short list
    ["the agent's own", undefined, 1, "default", [1, "the agent's default", true]],
    ["none at all", undefined, null, null, [null, "", false]],
    ["just set", 2, 1, "default", [2, "set by the host, not heard yet", true]],
    ["set", 2, 2, "host", [2, "set by the host", true]],
    ["changed", 3, 2, "host", [3, "set by the host, not heard yet", true]],
    ["not to be watched", null, null, "host", [null, "set by the host", true]],
    ["given back", undefined, 2, "host", [2, "given back, not heard yet", true]],
    ["back in the guest's hands", undefined, 1.5, "file", [1.5, "in the guest's file", true]],
  ])("%s", (_, host, threshold, origin, expected) => {
    const measure = {
      measure: "vm.composite",
      unit: "ratio",
      subjects: [-1],
      values: [1],
      threshold,
      origin,
    };
    expect([standing(measure, host).value, originText(measure, host), isWatched(measure, host)]).toEqual(
      expected,
    );
  });
});

test("P-59: what a change would do is told for everybody whom it concerns", () => {
  const before = planOf({ a: [2, [[0], [1]]], b: [2, [[2], [3]]] }, []);
  expect(differences(before, planOf({ a: [1, [[0], null]], b: [3, [[1], [3], [2]]] }, []))).toEqual([
    "a: 2 → 1 vCPUs in use",
    "b: 2 → 3 vCPUs in use",
    "b: vCPU 0 to pCPU 1 moves",
  ]);
  expect(differences(before, planOf({ a: [2, [[0], [1]]] }, [2, 3]))).toEqual([
    "b is left alone and put back as it was found",
    "pCPU 2-3 becomes idle",
  ]);
  expect(differences(before, before)).toEqual([]);
});

test.each([
  [{}, {}],
  [{ weight: "512" }, { weight: 512 }],
  [{ weight: "" }, { weight: "default" }],
  [
    { cap: "", vcpusMax: "4" },
    { cap: "none", vcpus: { max: 4 } },
  ],
  [
    { managed: "false", vcpusMin: "two" },
    { managed: false, vcpus: { min: "two" } },
  ],
])("fields %j are the change %j; what is no number is left to the daemon to refuse", (fields, change) =>
  expect(changeOf(fields)).toEqual(change),
);

type VcpuFacts = { readonly index: number } & Partial<DomainView["vcpus"][number]>;

function domainOf(name: string, vcpus: readonly VcpuFacts[]): DomainView {
  return {
    name,
    managed: true,
    weight: 256,
    reservationMilliPcpu: 0,
    capMilliPcpu: null,
    vcpusMin: 1,
    vcpusMax: null,
    entitlementMilliPcpu: 1_000,
    target: 1,
    online: 1,
    guestAgent: "vbal-agent",
    cooperation: "active",
    interruptsPerSecond: null,
    sharesWith: [],
    vcpus: vcpus.map((facts) => ({
      online: true,
      pcpus: null,
      runPercent: null,
      waitPercent: null,
      stealPercent: null,
      dispatchesPerSecond: null,
      lastPcpu: null,
      ...facts,
    })),
    reasons: [],
    pending: [],
  };
}

function stateOf(
  ids: readonly number[],
  domains: readonly DomainView[],
): Pick<StateView, "host" | "domains"> {
  const pcpus = ids.map((id) => ({ id, core: id, llc: 0, node: 0, online: true, inPool: true }));
  return { host: { pcpus }, domains };
}

/** Each domain: its target, and the pCPUs of each vCPU, `null` for one that is not in use. */
function planOf(
  domains: Readonly<Record<string, readonly [number, readonly (readonly number[] | null)[]]>>,
  idlePcpus: readonly number[],
): PlanView {
  return {
    domains: Object.entries(domains).map(([name, [target, vcpus]]) => ({
      name,
      weight: 256,
      entitlementMilliPcpu: target * 1_000,
      target,
      onlineNow: target,
      vcpus: vcpus.map((pins, index) => ({ index, online: pins !== null, pcpus: pins ?? [0] })),
      shared: false,
      sharesWith: [],
      reasons: [],
    })),
    moves: [],
    idlePcpus,
    notes: [],
    host: { pcpus: [] },
  };
}
