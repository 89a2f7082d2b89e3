/**
 * PARSEC canneal: lock-free exchanges in a netlist, one barrier per temperature step. Threads get in each other's way
 * in the caches and at the memory, not in the kernel: the work of a step grows with the number that run at once by the
 * universal scalability law (guest/crowding.ts), with its peak between 6 and 7.
 */
import {
  around,
  crowded,
  defineWorkload,
  type LibraryWorkload,
  MARK,
  repeat,
  times,
} from "./library_workload.ts";

export const canneal: LibraryWorkload = defineWorkload({
  name: "canneal",
  brief: "PARSEC: lock-free, bound by memory, one barrier per step",
  parameters: {
    steps: { value: 200, unit: "count", source: "PARSEC21: 6000 in the native run; a thirtieth" },
    stepWork: {
      value: 15_000_000,
      unit: "ns",
      source: "PARSEC21: 15,000 moves, 1 us each chosen",
      uncalibrated: true,
    },
    contention: {
      value: 0.05,
      unit: "fraction",
      source: "INF: peak above 6 cores (SEED-B)",
      uncalibrated: true,
    },
    coherence: {
      value: 0.02,
      unit: "fraction",
      source: "INF: peak above 6 cores (SEED-B)",
      uncalibrated: true,
    },
    variation: { value: 0.1, unit: "fraction", source: "chosen", uncalibrated: true },
  },
  build({ threads, scale, values: v }) {
    const crowding = { among: "domain", contention: v.contention, coherence: v.coherence } as const;
    const piece = v.stepWork / threads / PIECES_PER_STEP;
    return {
      // A pthread barrier: it blocks at once.
      barriers: { step: { parties: threads, spin: 0 } },
      tasks: [
        {
          name: "worker",
          count: threads,
          program: [
            repeat(
              times(v.steps, scale),
              repeat(PIECES_PER_STEP, crowded(around(piece, v.variation), crowding)),
              { do: "barrier", barrier: "step" },
              MARK,
            ),
          ],
        },
      ],
    };
  },
});

/** Short beside a slice: who else runs is looked at when a piece begins. */
const PIECES_PER_STEP = 8;
