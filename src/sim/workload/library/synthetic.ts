/**
 * One mechanism each, of the kinds that the lab's guest programs run on real guests. Their numbers are round figures,
 * not measurements; scenarios that hang on one set it.
 */
import type { Step } from "../program.ts";
import {
  around,
  compute,
  defineWorkload,
  type LibraryWorkload,
  MARK,
  type Parameter,
  reading,
  repeat,
  times,
  underLock,
  writing,
} from "./library_workload.ts";

const round = (value: number, unit: Parameter["unit"] = "ns"): Parameter => ({
  value,
  unit,
  source: "chosen: a round figure",
  uncalibrated: true,
});

/** The same work in all, whatever the number of threads, in pieces. */
function pieces(threads: number, scale: number, count: number, ...body: Step[]): Step {
  return repeat(times(count / threads, scale), ...body, MARK);
}

export const computeOnly: LibraryWorkload = defineWorkload({
  name: "compute",
  brief: "Computation that shares nothing",
  parameters: { pieces: round(12_000, "count"), work: round(1_000_000), variation: round(0.1, "fraction") },
  build: ({ threads, scale, values: v }) => ({
    tasks: [
      {
        name: "worker",
        count: threads,
        program: [pieces(threads, scale, v.pieces, compute(around(v.work, v.variation)))],
      },
    ],
  }),
});

function barriers(name: string, brief: string, spins: boolean): LibraryWorkload {
  return defineWorkload({
    name,
    brief,
    parameters: { pieces: round(12_000, "count"), work: round(1_000_000), variation: round(0.1, "fraction") },
    build: ({ threads, scale, values: v }) => ({
      barriers: { meet: spins ? { parties: threads } : { parties: threads, spin: 0 } },
      tasks: [
        {
          name: "worker",
          count: threads,
          program: [
            pieces(threads, scale, v.pieces, compute(around(v.work, v.variation)), {
              do: "barrier",
              barrier: "meet",
            }),
          ],
        },
      ],
    }),
  });
}

export const spinBarrier: LibraryWorkload = barriers(
  "spin-barrier",
  "Barriers that the early spin at, for as long as it takes",
  true,
);

export const futexBarrier: LibraryWorkload = barriers(
  "futex-barrier",
  "Barriers that the early block at, at once",
  false,
);

export const spinlock: LibraryWorkload = defineWorkload({
  name: "spinlock",
  brief: "Short sections under one ticket spinlock",
  parameters: { pieces: round(120_000, "count"), work: round(90_000), held: round(2_000) },
  build: ({ threads, scale, values: v }) => ({
    locks: { kernel: { kind: "ticket" } },
    tasks: [
      {
        name: "worker",
        count: threads,
        program: [
          pieces(
            threads,
            scale,
            v.pieces,
            compute(around(v.work, 1)),
            ...underLock("kernel", compute(around(v.held, 1), "kernel")),
          ),
        ],
      },
    ],
  }),
});

export const mm: LibraryWorkload = defineWorkload({
  name: "mm",
  brief: "Page faults, and munmap with a TLB shootdown, on one address space",
  parameters: {
    pieces: round(12_000, "count"),
    work: round(700_000),
    faultWork: round(100_000),
    unmapChance: round(0.2, "fraction"),
    unmapWork: { value: 2_400, unit: "ns", source: "LATR: munmap of one page without its shootdown" },
  },
  build: ({ threads, scale, values: v }) => ({
    locks: { mm: { kind: "rwsem" } },
    tasks: [
      {
        name: "worker",
        count: threads,
        program: [
          pieces(
            threads,
            scale,
            v.pieces,
            compute(around(v.work, 0.5)),
            ...reading("mm", compute(around(v.faultWork, 0.5), "kernel")),
            {
              do: "chance",
              probability: v.unmapChance,
              body: writing("mm", compute(around(v.unmapWork, 0), "kernel"), { do: "shootdown" }),
            },
          ),
        ],
      },
    ],
  }),
});
