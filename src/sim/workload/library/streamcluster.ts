/**
 * PARSEC streamcluster: rounds of one long phase (distances of all points to a candidate centre) and eight short
 * ones, each closed by a barrier that spins about 0.1 ms in user mode and then blocks. Three of the short ones are
 * serial, done by thread 0. A round's long phase is bound by memory bandwidth: a part of it does not shrink with more
 * threads, because all that read memory of one node at once share what it can give (guest/crowding.ts), other domains'
 * threads among them. Simplified: the barrier's two phases are one; opening a centre (two more barriers) is left out.
 */
import type { Step } from "../program.ts";
import {
  around,
  compute,
  crowded,
  defineWorkload,
  type LibraryWorkload,
  MARK,
  repeat,
  times,
} from "./library_workload.ts";

export const streamcluster: LibraryWorkload = defineWorkload({
  name: "streamcluster",
  brief: "PARSEC: many barriers that spin for a while and then block",
  parameters: {
    rounds: { value: 179, unit: "count", source: "PARSEC21: one search makes 3 * 20 * ln 20 calls of pgain" },
    shortPhases: { value: 8, unit: "count", source: "PARSEC21: nine barriers per pgain, one phase is long" },
    serialPhases: { value: 3, unit: "count", source: "PARSEC21: three of them are thread 0's alone" },
    spin: { value: 100_000, unit: "ns", source: "PARSEC21: 35,000 iterations before blocking" },
    parallelWork: {
      value: 19_500_000,
      unit: "ns",
      source: "INF: 5-8 ms per pgain with 12 threads, 1-1.5 times that with 6",
      uncalibrated: true,
    },
    boundWork: {
      value: 4_875_000,
      unit: "ns",
      source: "INF: the part that memory bandwidth bounds, from the same two figures",
      uncalibrated: true,
    },
    shortWork: { value: 600_000, unit: "ns", source: "chosen: O(points / threads)", uncalibrated: true },
    serialWork: { value: 10_000, unit: "ns", source: "chosen: O(threads)", uncalibrated: true },
    variation: { value: 0.1, unit: "fraction", source: "INF: 0.05 to 0.1", uncalibrated: true },
  },
  build({ threads, scale, values: v }) {
    const meet: Step = { do: "barrier", barrier: "phase" };
    const piece = (work: number) => around(work / threads / PIECES_PER_PHASE, v.variation);
    const long = repeat(
      PIECES_PER_PHASE,
      compute(piece(v.parallelWork)),
      crowded(piece(v.boundWork), { among: "memory", contention: 1, coherence: 0 }),
    );
    const short = compute(around(v.shortWork / threads, v.variation));
    const parallelPhases = v.shortPhases - v.serialPhases;
    const round = (isFirst: boolean): Step[] => [
      ...Array.from({ length: parallelPhases }, (): Step[] => [short, meet]).flat(),
      ...Array.from({ length: v.serialPhases }, (): Step[] =>
        isFirst ? [compute(around(v.serialWork, v.variation)), meet] : [meet],
      ).flat(),
      long,
      meet,
    ];
    const rounds = times(v.rounds, scale);
    const others = { name: "others", count: threads - 1, program: [repeat(rounds, ...round(false))] };
    return {
      barriers: { phase: { parties: threads, spin: v.spin } },
      tasks: [
        { name: "first", count: 1, program: [repeat(rounds, ...round(true), MARK)] },
        ...(threads === 1 ? [] : [others]),
      ],
    };
  },
});

/** Short beside a slice: who else reads memory is looked at when a piece begins. */
const PIECES_PER_PHASE = 8;
