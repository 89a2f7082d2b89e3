import { describe, expect, test } from "vitest";
import { numbersAfterBoot, numberVcpus } from "./vcpu_numbers.ts";

const cpus = (...places: number[]) => places.map((place) => ({ "cpu-index": place }));
/** "place:number" of each place that is plugged or was. */
function words(numbers: ReadonlyMap<number, number>): string {
  return [...numbers]
    .sort(([a], [b]) => a - b)
    .map(([place, number]) => `${place}:${number}`)
    .join(" ");
}
type Row = readonly [
  what: string,
  places: readonly number[],
  before: readonly (readonly [number, number])[],
  told: readonly (readonly [vcpu: number, uid: number])[],
  expected: string,
];

describe("P-18: which vCPU of the guest is which of QEMU's", () => {
  test.each<Row>([
    ["at boot, nobody tells", [0, 1], [], [], "0:0 1:1"],
    ["places 3 and 2 plugged in this order, nobody tells", [0, 1, 3, 2], [], [], "0:0 1:1 2:3 3:2"],
    [
      "the guest tells",
      [0, 1, 3, 2],
      [],
      [
        [0, 0],
        [1, 1],
        [2, 2],
        [3, 3],
      ],
      "0:0 1:1 2:2 3:3",
    ],
    ["it tells of some, the others stay apart from them", [0, 1, 3, 2], [], [[2, 3]], "0:0 1:1 2:3 3:2"],
    ["what was learnt stays while it is silent", [0, 3, 2], [[3, 5]], [], "0:0 2:1 3:5"],
    [
      "a place that was left and comes back keeps its number",
      [0, 1, 3],
      [
        [0, 0],
        [1, 1],
        [2, 2],
        [3, 3],
      ],
      [],
      "0:0 1:1 2:2 3:3",
    ],
    [
      "what it tells counts more than what was thought",
      [0, 1, 3],
      [[3, 2]],
      [
        [2, 1],
        [1, 3],
      ],
      "0:0 1:2 3:1",
    ],
    [
      "a lie: two of one number, vCPU 0 elsewhere, places that are not",
      [0, 1, 2],
      [],
      [
        [0, 2],
        [7, 1],
        [8, 1],
        [9, 40],
      ],
      "0:0 1:7 2:1",
    ],
  ])("%s", (_, places, before, told, expected) => {
    expect(words(numberVcpus({ cpus: cpus(...places), before: new Map(before), told: new Map(told) }))).toBe(
      expected,
    );
  });

  test("after a reboot the firmware's order counts, whenever a place was filled", () => {
    expect(words(numbersAfterBoot(cpus(0, 3, 2)))).toBe("0:0 2:1 3:2");
  });
});
