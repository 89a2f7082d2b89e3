/** Strict gangs as pictures: who is on the pCPUs in each slot of 50 ms, worked out by hand. */
import { describe, expect, test } from "vitest";
import type { DomainConfig } from "../config.ts";
import { busy, compute, forever, MS, whoRuns } from "./policy_suite.ts";

const gang = (name: string, vcpus: number, more: Partial<DomainConfig> = {}): DomainConfig => ({
  name,
  vcpus,
  workload: busy(vcpus),
  ...more,
});

/** For each 10 ms the vCPUs that run, in order; the placement within a slot does not matter. */
function slots(domains: readonly DomainConfig[], pcpus: number, count: number): string[] {
  const rows = whoRuns({ scheduler: { kind: "strict-co" }, pcpus, until: count * 50 * MS, domains }, 10 * MS);
  return Array.from({ length: count * 5 }, (_, at) =>
    rows
      .map((row) => row[at])
      .sort((a, b) => (a! < b! ? -1 : 1))
      .join(""),
  );
}
const each = (...of: string[]): string[] => of.flatMap((slot) => Array.from({ length: 5 }, () => slot));

describe("slots", () => {
  test.each([
    {
      what: "two gangs that do not fit together take turns, and what is left over idles (B-29)",
      domains: [gang("a", 2), gang("b", 2)],
      pcpus: 3,
      runs: each(".01", ".23", ".01", ".23"),
    },
    {
      what: "a smaller one that fits beside a gang gets what is left over, every time",
      domains: [gang("a", 2), gang("b", 2), gang("c", 1)],
      pcpus: 3,
      runs: each("014", "234", "014", "234"),
    },
    {
      what: "gangs that fit together run together",
      domains: [gang("a", 2), gang("b", 2)],
      pcpus: 4,
      runs: each("0123", "0123"),
    },
    {
      what: "who has had least for its weight goes first: twice the weight, two slots of three",
      domains: [gang("a", 2, { weight: 512 }), gang("b", 2)],
      pcpus: 2,
      runs: each("01", "23", "01", "01", "23", "01"),
    },
  ])("$what", ({ domains, pcpus, runs }) => {
    expect(slots(domains, pcpus, runs.length / 5)).toEqual(runs);
  });

  test("an idle member needs no pCPU: the gang is those that are runnable", () => {
    const half = { tasks: [{ count: 1, program: forever(compute(MS)) }] };
    expect(slots([gang("a", 2, { workload: half }), gang("b", 1)], 2, 2)).toEqual(each("02", "02"));
  });
});
