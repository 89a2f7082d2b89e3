import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadOf } from "./load_suite.ts";
import { MEASURES, QUANTITIES } from "./measure.ts";
import { measureAll } from "./measured.ts";
import { atLeast, type VcpuLoad } from "./vcpu_load.ts";

function check(
  vcpus: readonly VcpuLoad[],
  id: string,
): readonly (readonly [number | null, number | string])[] {
  return measureAll(vcpus)
    .filter(({ measure }) => measure.id === id)
    .map(({ subject, reading }) => [subject, reading.value === null ? reading.why : reading.value]);
}

test("P-25..P-54: each requirement has its measure, ids are not used twice", () => {
  const plain = MEASURES.filter(({ id }) => id.split(".").length === 2).map(({ requirement }) => requirement);
  expect(plain).toEqual(Array.from({ length: 30 }, (_, i) => `P-${25 + i}`));
  expect(new Set(MEASURES.map(({ id }) => id)).size).toBe(MEASURES.length);
  expect(MEASURES.filter(({ what, unit, source, bound }) => !(what && unit && source && bound))).toEqual([]);
});

test.each([
  ["P-35", "node.cycles", "sum"],
  ["P-36", "node.switches", "average"],
  ["P-39", "node.switch-share", "average"],
  ["P-42", "node.runnable-threads", "average"],
  ["P-42", "node.runnable-threads.maximum", "maximum"],
  ["P-45", "vm.cycles", "sum"],
  ["P-54", "vm.runnable-applications", "average"],
  ["P-55", "vm.switches-same-process.group", "sum"],
])("%s: %s is a %s", (requirement, id, aggregation) => {
  expect(MEASURES.find((measure) => measure.id === id)).toMatchObject({ requirement, aggregation });
});

describe("from vCPUs to nodes and the VM", () => {
  const guest = [
    loadOf(0, { node: 0, cycles: 10, "runnable-threads": 1 }),
    loadOf(1, { node: 1, cycles: 20, "runnable-threads": 2 }),
    loadOf(2, { node: 1, cycles: 30, "runnable-threads": 5 }),
  ];

  test.each([
    [
      "vcpu.cycles",
      [
        [0, 10],
        [1, 20],
        [2, 30],
      ],
    ],
    [
      "node.cycles",
      [
        [0, 10],
        [1, 50],
      ],
    ],
    ["vm.cycles", [[null, 60]]],
    [
      "node.runnable-threads",
      [
        [0, 1],
        [1, 3.5],
      ],
    ],
    [
      "node.runnable-threads.maximum",
      [
        [0, 1],
        [1, 5],
      ],
    ],
    ["vm.runnable-threads.maximum", [[null, 5]]],
  ])("%s", (id, values) => {
    expect(check(guest, id)).toEqual(values);
  });

  test("pitfall 8: what one vCPU lacks is absent above it, never a zero, and says which vCPU", () => {
    const broken = [loadOf(0, { cycles: 1 }), loadOf(1, { node: 1, cycles: null })];
    expect(check(broken, "node.cycles")).toEqual([
      [0, 1],
      [1, "vCPU 1: broken"],
    ]);
    expect(check(broken, "vm.cycles")).toEqual([[null, "vCPU 1: broken"]]);
  });

  test("what a group is at least, where one of its vCPUs is not known: the others', and nothing for that one", () => {
    const broken = [loadOf(0, { "switch-share": 4 }), loadOf(1, { "switch-share": null })];
    const { reading } = measureAll(broken).find(({ measure }) => measure.id === "vm.switch-share")!;
    expect([reading.value, atLeast(reading)]).toEqual([null, 2]);
  });

  test("pitfall 21: a guest that shows no nodes has no measures of nodes", () => {
    expect(check([loadOf(0, { node: -1, cycles: 3 })], "node.cycles")).toEqual([]);
    expect(check([loadOf(0, { node: -1, cycles: 3 })], "vm.cycles")).toEqual([[null, 3]]);
  });

  test("for any guest: sums add up, averages and maxima lie within their vCPUs", () => {
    const vcpu = fc.record({ node: fc.nat(3), value: fc.double({ min: 0, max: 1e12, noNaN: true }) });
    fc.assert(
      fc.property(fc.array(vcpu, { minLength: 1, maxLength: 32 }), (guestOf) => {
        const vcpus = guestOf.map(({ node, value }, i) =>
          loadOf(i, { node, ...Object.fromEntries(QUANTITIES.map((quantity) => [quantity, value])) }),
        );
        for (const { measure, subject, reading } of measureAll(vcpus)) {
          const members = guestOf.filter(
            ({ node }, i) => measure.level === "vm" || subject === (measure.level === "node" ? node : i),
          );
          const values = members.map(({ value }) => value);
          const [min, max] = [Math.min(...values), Math.max(...values)];
          const sum = values.reduce((total, value) => total + value, 0);
          const value = reading.value!;
          const right = {
            none: min <= value && value <= max,
            average: min <= value && value <= max,
            maximum: value === max,
            sum: Math.abs(value - sum) <= sum * 1e-9,
          };
          expect(measure.aggregation !== "combination" && right[measure.aggregation]).toBe(true);
        }
      }),
    );
  });
});
