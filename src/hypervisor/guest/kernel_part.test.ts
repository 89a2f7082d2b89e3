/** Totals become a part, or none. */
import { expect, test } from "vitest";
import { heedCpuTime, NO_CPU_TIME } from "./kernel_part.ts";

type Told = readonly [programsMs: number, kernelMs: number];

/** `null`: a report without times. */
function report(told: Told | null) {
  const [programsMs, kernelMs] = told ?? [0, 0];
  const times = told === null ? {} : { cpuTime: { programsMs, kernelMs } };
  return { kind: "report", vcpus: [], preflight: [], ...times } as const;
}

test.each<{ why: string; reports: readonly (Told | null)[]; parts: readonly (number | null)[] }>([
  {
    why: "the kernel's part of what has run since the report before",
    reports: [
      [70_000, 9_000],
      [70_750, 9_250],
      [71_750, 10_250],
    ],
    parts: [null, 0.25, 0.5],
  },
  {
    why: "programs alone, and the kernel alone",
    reports: [
      [0, 0],
      [600, 0],
      [600, 600],
    ],
    parts: [null, 0, 1],
  },
  {
    why: "a handful of ticks makes no part, and counts with the next report",
    reports: [
      [0, 0],
      [0, 490],
      [490, 490],
    ],
    parts: [null, null, 0.5],
  },
  {
    why: "as little as makes one",
    reports: [
      [0, 0],
      [250, 250],
    ],
    parts: [null, 0.5],
  },
  {
    why: "a guest at rest does not keep the part that it had at work",
    reports: [
      [0, 0],
      [1_000, 1_000],
      [1_000, 1_010],
      [1_000, 1_010],
    ],
    parts: [null, 0.5, null, null],
  },
  {
    why: "either total ran backwards: begun anew",
    reports: [
      [5_000, 100],
      [10, 900],
      [1_010, 1_900],
      [9_000, 0],
      [9_500, 500],
    ],
    parts: [null, null, 0.5, null, 0.5],
  },
  {
    why: "as much as a guest can say",
    reports: [
      [0, 0],
      [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ],
    parts: [null, 0.5],
  },
  {
    why: "an older agent does not tell; one that ceases to is not believed on",
    reports: [null, [0, 0], [500, 500], null, [1_000, 1_000]],
    parts: [null, null, 0.5, null, null],
  },
])("$why", ({ reports, parts }) => {
  let part = NO_CPU_TIME;
  const seen = reports.map((told) => {
    part = heedCpuTime(part, report(told));
    return part.inKernel;
  });
  expect(seen).toEqual(parts);
});
