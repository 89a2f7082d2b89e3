/**
 * Phoenix map-reduce programs over an mmap()ed file: every page is faulted in under the shared memory lock, and the
 * page tables' own lock serialises a part of that, which grows with the number of vCPUs that run at once, as their cache
 * lines bounce (S. Boyd-Wickizer et al., Non-scalable locks are dangerous, OLS 2012: a ticket lock takes the longer to pass
 * on the more wait for it, and those without a pCPU do not). So the speed-up peaks early and falls (V-B5, V-B6).
 * wordcount also fights over its allocator, and merges.
 */
import type { Step } from "../program.ts";
import {
  around,
  compute,
  crowded,
  defineWorkload,
  type LibraryWorkload,
  MARK,
  type Parameter,
  reading,
  repeat,
  times,
  underLock,
  type Values,
  writing,
} from "./library_workload.ts";

const COMMON = {
  pages: { value: 32_768, unit: "count", source: "PHX09: 2 GB in 4 KB pages; a sixteenth of them" },
  pageWork: {
    value: 12_000,
    unit: "ns",
    source: "chosen: one thread, one page, fault and computation",
    uncalibrated: true,
  },
  contention: {
    value: 0.15,
    unit: "fraction",
    source: "INF: peak near 3 to 4, 12 worse than 6 (V-B5, V-B6)",
    uncalibrated: true,
  },
  coherence: {
    value: 0.06,
    unit: "fraction",
    source: "INF: peak near 3 to 4, 12 worse than 6 (V-B5, V-B6)",
    uncalibrated: true,
  },
} as const satisfies Record<string, Parameter>;

export const histogram: LibraryWorkload = defineWorkload({
  name: "histogram",
  brief: "Phoenix: page faults on a mapped file, bound by the kernel's memory locks",
  parameters: COMMON,
  build({ threads, scale, values }) {
    return {
      locks: { mm: { kind: "rwsem" }, pageTable: { kind: "ticket" } },
      tasks: [{ name: "map", count: threads, program: [mapPages(threads, scale, values), MARK] }],
    };
  },
});

export const wordcount: LibraryWorkload = defineWorkload({
  name: "wordcount",
  brief: "Phoenix: as histogram, with a fight over the allocator and a merge",
  parameters: {
    ...COMMON,
    allocChance: {
      value: 0.05,
      unit: "fraction",
      source: "PHX09: 28 % of the time in sbrk at 256 threads",
      uncalibrated: true,
    },
    allocWork: { value: 6_000, unit: "ns", source: "chosen: sbrk and its bookkeeping", uncalibrated: true },
    mergeWork: {
      value: 40_000_000,
      unit: "ns",
      source: "chosen: the reduce and merge phases",
      uncalibrated: true,
    },
  },
  build({ threads, scale, values: v }) {
    const allocate = underLock("malloc", ...writing("mm", compute(around(v.allocWork, 1), "kernel")));
    const merge: Step[] = [
      { do: "barrier", barrier: "reduce" },
      compute(around((v.mergeWork * scale) / threads, 0.3)),
      { do: "barrier", barrier: "reduce" },
      MARK,
    ];
    return {
      locks: { mm: { kind: "rwsem" }, pageTable: { kind: "ticket" }, malloc: { kind: "mutex" } },
      barriers: { reduce: { parties: threads, spin: 0 } },
      tasks: [
        {
          name: "map",
          count: threads,
          program: [
            mapPages(threads, scale, v, { do: "chance", probability: v.allocChance, body: allocate }),
            ...merge,
          ],
        },
      ],
    };
  },
});

/**
 * A page on one thread takes `pageWork`; with n at once the serial part is contention + coherence (n - 1) of it, so that the
 * law of guest/crowding.ts bounds what they reach together. One fault in the model stands for `PAGES_PER_FAULT` real ones.
 */
function mapPages(threads: number, scale: number, v: Values<typeof COMMON>, ...more: Step[]): Step {
  const crowding = { among: "domain", contention: v.coherence / v.contention, coherence: 0 } as const;
  const unit = v.pageWork * PAGES_PER_FAULT;
  return repeat(
    times(v.pages / PAGES_PER_FAULT / threads, scale),
    ...reading(
      "mm",
      ...underLock("pageTable", crowded(around(unit * v.contention, 0.2), crowding, "kernel")),
    ),
    compute(around(unit * (1 - v.contention), 0.2)),
    ...more,
  );
}

/** Fewer, longer faults keep the number of events down; the share of time under the lock is the same. */
const PAGES_PER_FAULT = 2;
