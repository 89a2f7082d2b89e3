/** The kinds of value in a scenario file: times in nanoseconds with their unit, counts, distributions. */
import { z } from "zod";
import type { Nanoseconds } from "../../core/units.ts";
import { field, readInteger } from "../../protocol/fields.ts";
import type { Duration } from "../workload/program.ts";
import { choice, isMap } from "./choice.ts";

const NS_PER_UNIT: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1_000,
  ms: 1_000_000,
  s: 1_000_000_000,
  min: 60_000_000_000,
};

/** Times are whole nanoseconds in a double, exact to 104 days; a simulated day is more than anybody waits for. */
const TIME_MAX: Nanoseconds = 86_400_000_000_000;

/** "30ms", "2.5us", "100ns", "1s", "2min", or 0: whole nanoseconds. */
export function readTime(value: unknown): Nanoseconds | undefined {
  if (value === 0) return 0;
  const match = typeof value === "string" ? /^(\d+(?:\.\d+)?) ?(ns|us|ms|s|min)$/.exec(value) : null;
  if (match === null) return undefined;
  const ns = Number(match[1]) * NS_PER_UNIT[match[2]!]!;
  const whole = Math.round(ns);
  // 0.1 * 1000 is not quite 100: only a fraction finer than a nanosecond is refused.
  return Math.abs(ns - whole) < 1e-6 * Math.max(1, ns) && whole <= TIME_MAX ? whole : undefined;
}

/** A moment or a length of time, 0 allowed. */
export function time(): z.ZodType<Nanoseconds> {
  return field({
    rule: "A time is a whole number of nanoseconds, at most a day, and carries its unit",
    fix: "Write it as in 30ms, 2.5us, 100ns or 1s",
    read: readTime,
  });
}

/** A length of time above zero. */
export function span(): z.ZodType<Nanoseconds> {
  return field({
    rule: "A time above zero must stand here, with its unit",
    fix: "Write it as in 30ms, 2.5us, 100ns or 1s",
    read: (value) => {
      const ns = readTime(value);
      return ns === 0 ? undefined : ns;
    },
  });
}

/** How fast something goes, as a part of full speed. */
export function rate(): z.ZodType<number> {
  return field({
    rule: "A rate is a part of full speed, above 0 and at most 1",
    fix: "Write it as in 0.65",
    read: (value) => (typeof value === "number" && 0 < value && value <= 1 ? value : undefined),
  });
}

export function count(
  what: string,
  range: { readonly min: number; readonly max: number },
): z.ZodType<number> {
  return field({
    rule: `${what} is a whole number from ${range.min} to ${range.max}`,
    fix: "Write a number in that range",
    read: readInteger(range),
  });
}

export function fraction(
  what: string,
  range: { readonly min: number; readonly max: number },
): z.ZodType<number> {
  return field({
    rule: `${what} is a number from ${range.min} to ${range.max}`,
    fix: "Write a number in that range",
    read: (value) =>
      typeof value === "number" && range.min <= value && value <= range.max ? value : undefined,
  });
}

/** The names of locks, barriers, conditions, queues. */
export function label(): z.ZodType<string> {
  return field({
    rule: "A name is a text of 1 to 64 characters",
    fix: "Write the name that is declared in the workload",
    read: (value) => (typeof value === "string" && /^.{1,64}$/u.test(value) ? value : undefined),
  });
}

/** Beyond this a mixture of two exponentials is all tail. */
const CV_MAX = 20;

/** A time, or how it is distributed: `{ mean: 1ms, cv: 1 }` (1 is exponential), `{ low: 0, high: 10ms }` (uniform). */
export const DURATION: z.ZodType<Duration> = choice<Duration>((value) => {
  if (!isMap(value)) return time();
  if ("mean" in value) {
    return z.strictObject({
      mean: time(),
      cv: fraction("A coefficient of variation", { min: 0, max: CV_MAX }),
    });
  }
  if ("low" in value || "high" in value) return z.strictObject({ low: time(), high: time() });
  return {
    rule: "A distribution has `mean` and `cv`, or `low` and `high`",
    fix: "Write { mean: 1ms, cv: 1 } (exponential) or { low: 0, high: 2ms } (uniform)",
  };
});
