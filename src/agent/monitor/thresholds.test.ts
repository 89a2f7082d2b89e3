import { expect, test } from "vitest";
import { DEFAULT_THRESHOLDS, layered, THRESHOLD_IDS, thresholdChanges } from "./thresholds.ts";

test("P-57..P-61: the host goes before the file, the file before what is built in; null takes a threshold away", () => {
  const inForce = layered([
    { origin: "default", values: { a: 1, b: 1, c: 1, d: 1 } },
    { origin: "file", values: { b: 2, c: 2, d: null } },
    { origin: "host", values: { c: 3 } },
  ]);
  expect([...inForce.values()]).toEqual([
    { id: "a", value: 1, origin: "default" },
    { id: "b", value: 2, origin: "file" },
    { id: "c", value: 3, origin: "host" },
    { id: "d", value: null, origin: "file" },
  ]);
});

test("every change in effect is told once, with who it came from", () => {
  const before = layered([{ origin: "default", values: { same: 1, gone: 2 } }]);
  const after = layered([
    { origin: "default", values: { same: 1 } },
    { origin: "host", values: { fresh: 5 } },
  ]);
  expect(thresholdChanges(before, after)).toEqual([
    { id: "fresh", from: null, to: 5, fromOrigin: "default", toOrigin: "host" },
    { id: "gone", from: 2, to: null, fromOrigin: "default", toOrigin: "default" },
  ]);
  expect(thresholdChanges(after, after)).toEqual([]);
});

test("P-62: the composite of claim 1 is what is watched unless somebody says otherwise", () => {
  const watched = Object.entries(DEFAULT_THRESHOLDS.values).filter(([id]) => !id.includes(":"));
  expect(watched).toEqual([
    ["vcpu.composite", 1],
    ["node.composite", 1],
    ["vm.composite", 1],
  ]);
  expect(Object.keys(DEFAULT_THRESHOLDS.values).filter((id) => !THRESHOLD_IDS.includes(id))).toEqual([]);
  expect(Object.values(DEFAULT_THRESHOLDS.values).every((value) => value !== null && 0 < value)).toBe(true);
});
