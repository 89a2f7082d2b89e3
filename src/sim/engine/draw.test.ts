import { describe, expect, test } from "vitest";
import { Durations } from "../workload/durations.ts";
import { DIGEST_START, digest } from "./digest.ts";
import { bits, exponential, keyOf, uniform } from "./draw.ts";

const DRAWS = 200_000;

/** Mean and coefficient of variation of many draws. */
function momentsOf(draw: (n: number) => number): { mean: number; cv: number } {
  let sum = 0;
  let squares = 0;
  for (let n = 0; n < DRAWS; n++) {
    const x = draw(n);
    sum += x;
    squares += x * x;
  }
  const mean = sum / DRAWS;
  return { mean, cv: Math.sqrt(squares / DRAWS - mean * mean) / mean };
}

describe("draws", () => {
  test("are a function of key and number: never of what was drawn before", () => {
    const key = keyOf(1, 2, 3);
    const first = bits(key, 5);
    for (let n = 0; n < 100; n++) bits(key, n);
    expect(bits(key, 5)).toBe(first);
    expect(keyOf(1, 2, 3)).not.toBe(keyOf(1, 3, 2));
  });

  test("the exponential agrees with -ln of the same uniform number", () => {
    for (const u of [0, 1, 2, 3, 1000, 0x7fffffff, 0x80000000, 0xdeadbeef, 0xffffffff]) {
      // It takes the number as [u, u + 1) / 2^32; the logarithm of its middle differs by less than 1/u.
      expect(Math.abs(exponential(u) + Math.log(uniform(u)))).toBeLessThan(u < 1000 ? 0.7 : 1 / u + 1e-7);
    }
  });

  test.each([
    { duration: 5_000, mean: 5_000, cv: 0 },
    { duration: { mean: 100_000, cv: 1 }, mean: 100_000, cv: 1 },
    { duration: { mean: 100_000, cv: 0.25 }, mean: 100_000, cv: 0.25 },
    { duration: { mean: 100_000, cv: 2 }, mean: 100_000, cv: 2 },
    { duration: { low: 0, high: 60_000 }, mean: 30_000, cv: 1 / Math.sqrt(3) },
  ])("$duration has the moments that were asked for", ({ duration, mean, cv }) => {
    const durations = new Durations([duration]);
    const moments = momentsOf((n) => durations.draw(0, keyOf(42), n));
    // Three standard errors of a mean are 3 cv / sqrt(n); the cv of a cv-2 mixture is noisier.
    expect(Math.abs(moments.mean - mean) / mean).toBeLessThanOrEqual((3 * cv) / Math.sqrt(DRAWS) + 1e-9);
    expect(Math.abs(moments.cv - cv)).toBeLessThan(0.03);
  });

  test("the digest depends on every part of every event, in order", () => {
    const of = (...events: [number, number, number][]) =>
      events.reduce((hash, [time, kind, entity]) => digest(hash, time, kind, entity), DIGEST_START);
    const all = [
      of([1, 2, 3]),
      of([2, 2, 3]),
      of([1, 3, 3]),
      of([1, 2, 4]),
      of([1, 2, 3], [1, 2, 3]),
      of([2 ** 40 + 1, 2, 3]),
    ];
    expect(new Set(all).size).toBe(all.length);
  });
});
