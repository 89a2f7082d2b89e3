/** The named workloads: each runs to its end with any number of threads, and each number says where it comes from. */
import { describe, expect, test } from "vitest";
import { runSimulation } from "../../run.ts";
import { LIBRARY } from "./library.ts";
import { valuesOf } from "./library_workload.ts";

/** How long `threads` threads take alone on as many pCPUs, ms; null when the work never ends. */
function aloneMs(name: string, threads: number, scale = 0.05, checks = false): number | null {
  const entry = LIBRARY.find((each) => each.name === name)!;
  const workload = entry.build({ threads, scale, values: valuesOf(entry) });
  const { domains } = runSimulation({
    seed: 3,
    replication: 0,
    until: { at: 20_000_000_000, finished: ["a"] },
    machine: { topology: { pcpus: threads } },
    host: { scheduler: { kind: "credit" } },
    domains: [{ name: "a", vcpus: threads, workload }],
    checks,
  });
  const { finishedAt, marks } = domains[0]!;
  expect(marks).toBeGreaterThan(0);
  return finishedAt === null ? null : finishedAt / 1_000_000;
}

/** A web server has no end. */
const ENDLESS = ["apache"];
const ENDING = LIBRARY.filter(({ name }) => !ENDLESS.includes(name));

describe("every named workload", () => {
  test.each(ENDING.flatMap(({ name }) => [1, 3, 12].map((threads) => ({ name, threads }))))(
    "$name ends with $threads threads, invariants checked",
    ({ name, threads }) => {
      expect(aloneMs(name, threads, 0.01, true)).toBeGreaterThan(0);
    },
  );

  test("apache serves what arrives", () => {
    const entry = LIBRARY.find(({ name }) => name === "apache")!;
    const workload = entry.build({ threads: 4, scale: 0.1, values: valuesOf(entry) });
    const { domains } = runSimulation({
      seed: 3,
      replication: 0,
      until: { at: 500_000_000 },
      machine: { topology: { pcpus: 4 } },
      host: { scheduler: { kind: "credit" } },
      domains: [{ name: "a", vcpus: 4, workload }],
      checks: true,
    });
    const { arrived, dropped } = domains[0]!.sources[0]!;
    expect(dropped).toBe(0);
    expect(domains[0]!.marks).toBeGreaterThan(0.95 * arrived);
  });

  test("names a source for every number, and says of inferred and chosen ones that they are uncalibrated", () => {
    const silent = LIBRARY.flatMap(({ name, parameters }) =>
      Object.entries(parameters).flatMap(([parameter, { source, uncalibrated }]) => {
        const isGuess = /^(INF|chosen)|\[INF\]/.test(source);
        return source.length > 3 && (!isGuess || uncalibrated === true) ? [] : [`${name}.${parameter}`];
      }),
    );
    expect(silent).toEqual([]);
  });
});

describe("scaling alone", () => {
  test.each(["histogram", "wordcount"])(
    "%s is best near 3 to 6 threads, and 12 are slower than 6 (V-B5, V-B6)",
    (name) => {
      const [one, three, six, twelve] = [1, 3, 6, 12].map((threads) => aloneMs(name, threads)!);
      expect(three).toBeLessThan(one! / 1.5);
      expect(twelve).toBeGreaterThan(six!);
    },
  );

  test("canneal gains little beyond 6 threads (V-B20)", () => {
    const [one, six, twelve] = [1, 6, 12].map((threads) => aloneMs("canneal", threads)!);
    expect(six).toBeLessThan(one! / 2.5);
    expect(twelve).toBeGreaterThan(0.9 * six!);
  });

  test("swaptions scales nearly linearly, up to what does not divide evenly", () => {
    expect(aloneMs("swaptions", 8)).toBeLessThan(aloneMs("swaptions", 1)! / 7.5);
  });

  test("streamcluster: twice the threads do not halve the time, memory bounds it", () => {
    const [six, twelve] = [6, 12].map((threads) => aloneMs("streamcluster", threads)!);
    expect(six! / twelve!).toBeGreaterThan(1);
    expect(six! / twelve!).toBeLessThan(1.5);
  });
});
