import { describe, expect, test } from "vitest";
import { combineAll } from "./combination.ts";
import { loadOf } from "./load_suite.ts";
import { measureAll } from "./measured.ts";
import { absent, type Reading } from "./vcpu_load.ts";

/** The value of the composite of vCPU 0; thresholds are 1 %, 100 switches/s and 2 threads unless said. */
function check(
  said: { readonly share: number; readonly switches: number; readonly threads: number | null },
  thresholds: Readonly<Record<string, number | null>> = {},
): number | null {
  const vcpus = [
    loadOf(0, { "switch-share": said.share, switches: said.switches, "runnable-threads": said.threads }),
  ];
  const inForce: Readonly<Record<string, number | null>> = {
    "vcpu.composite:vm.switch-share": 1,
    "vcpu.composite:vcpu.switches": 100,
    "vcpu.composite:vcpu.runnable-threads": 2,
    ...thresholds,
  };
  const all = combineAll(vcpus, measureAll(vcpus), { thresholdOf: (id) => inForce[id] ?? null });
  return all.find(({ measure }) => measure.id === "vcpu.composite")!.reading.value;
}

test.each([
  {
    why: "the part that is nearest to its threshold counts",
    share: 5,
    switches: 300,
    threads: 3,
    value: 1.5,
  },
  { why: "P-62: all three must exceed", share: 5, switches: 300, threads: 1, value: 0.5 },
  { why: "P-68: equal does not exceed", share: 5, switches: 100, threads: 3, value: 1 },
  {
    why: "pitfall 8: one absent part and there is no value",
    share: 5,
    switches: 300,
    threads: null,
    value: null,
  },
])("$why", ({ value, ...said }) => {
  expect(check(said)).toBe(value);
});

describe("a part that was not measured (P-62: the measure is based on all of its parts)", () => {
  const value = (why: Reading): number | null => {
    const load = loadOf(0, { switches: 300, "runnable-threads": 3 });
    const vcpus = [{ ...load, readings: { ...load.readings, "switch-share": why } }];
    const thresholdOf = (id: string): number | null =>
      id.endsWith("switch-share") ? 1 : id.endsWith("switches") ? 100 : id.endsWith("-threads") ? 2 : null;
    const all = combineAll(vcpus, measureAll(vcpus), { thresholdOf });
    return all.find(({ measure }) => measure.id === "vcpu.composite")!.reading.value;
  };

  test.each([
    { why: "of which nothing is known leaves no value (pitfalls 8, 11)", least: 0, expected: null },
    { why: "that is known to be some, but not to exceed, leaves none either", least: 0.9, expected: null },
    { why: "P-68: equal is not more", least: 1, expected: null },
    { why: "that is known to exceed counts with what is known", least: 1.2, expected: 1.2 },
    { why: "however much it exceeds, the other parts count too", least: 50, expected: 1.5 },
  ])("$why", ({ least, expected }) => {
    expect(value(absent("not traced", least))).toBe(expected);
  });
});

test("a part without a threshold does not count; without any there is no value", () => {
  const said = { share: 0, switches: 300, threads: 3 };
  expect(check(said, { "vcpu.composite:vm.switch-share": null })).toBe(1.5);
  const none = {
    "vcpu.composite:vm.switch-share": null,
    "vcpu.composite:vcpu.switches": null,
    "vcpu.composite:vcpu.runnable-threads": null,
  };
  expect(check(said, none)).toBeNull();
});

test.each([
  { id: "node.composite", value: 1.5 },
  { id: "node.composite-other-process", value: 0.5 },
  { id: "node.composite-same-process", value: 1 },
])("P-63, P-64: $id, of the switches that it names", ({ id, value }) => {
  const load = loadOf(0, {
    "switch-share": 5,
    "switch-share-other-process": 2,
    "switch-share-same-process": 3,
    switches: 300,
    "switches-other-process": 50,
    "switches-same-process": 100,
    "runnable-threads": 3,
  });
  const thresholdOf = (part: string): number | null => {
    if (part.includes("switch-share")) return 1;
    return part.includes("switches") ? 100 : part.endsWith("runnable-threads") ? 2 : null;
  };
  const all = combineAll([load], measureAll([load]), { thresholdOf });
  expect(all.find(({ measure }) => measure.id === id)!.reading.value).toBe(value);
});

test.each([
  { part: "vcpu.runnable-processes", threshold: 4, value: 0.5 },
  { part: "vcpu.runnable-applications", threshold: 0.5, value: 1.5 },
  { part: "vcpu.runnable-applications", threshold: 2, value: 0.5 },
])("P-67: $part counts once it has a threshold, $threshold", ({ part, threshold, value }) => {
  const load = loadOf(0, {
    "switch-share": 5,
    switches: 300,
    "runnable-threads": 3,
    "runnable-processes": 2,
    "runnable-applications": 1,
  });
  const inForce: Readonly<Record<string, number>> = {
    "vcpu.composite:vm.switch-share": 1,
    "vcpu.composite:vcpu.switches": 100,
    "vcpu.composite:vcpu.runnable-threads": 2,
    [`vcpu.composite:${part}`]: threshold,
  };
  const all = combineAll([load], measureAll([load]), { thresholdOf: (id) => inForce[id] ?? null });
  expect(all.find(({ measure }) => measure.id === "vcpu.composite")!.reading.value).toBe(value);
});

test("a threshold of 0 is exceeded by anything but 0", () => {
  const zero = { "vcpu.composite:vm.switch-share": 0 };
  expect(check({ share: 0.001, switches: 300, threads: 3 }, zero)).toBe(1.5);
  expect(check({ share: 0, switches: 300, threads: 3 }, zero)).toBe(1);
});

test("P-56: the parts of a wider level are the subject's node and VM", () => {
  const combination = {
    id: "vcpu.mine",
    requirement: "P-56",
    level: "vcpu" as const,
    parts: ["node.runnable-threads"],
    what: "",
  };
  const vcpus = [loadOf(0, { "runnable-threads": 2 }), loadOf(1, { node: 1, "runnable-threads": 6 })];
  const all = combineAll(vcpus, measureAll(vcpus), { combinations: [combination], thresholdOf: () => 2 });
  expect(all.map(({ reading }) => reading.value)).toEqual([1, 3]);
});
