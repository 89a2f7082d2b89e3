/**
 * PARSEC swaptions: computation that is divided before it starts and never synchronised. Its only way into the kernel
 * is the allocator, which now and then gives memory back: a TLB shootdown. 128 swaptions rarely divide evenly; the
 * last thread gets what is left over.
 */
import type { Step } from "../program.ts";
import {
  around,
  compute,
  defineWorkload,
  type LibraryWorkload,
  MARK,
  repeat,
  times,
  writing,
} from "./library_workload.ts";

export const swaptions: LibraryWorkload = defineWorkload({
  name: "swaptions",
  brief: "PARSEC: independent computation with rare TLB shootdowns",
  parameters: {
    swaptions: { value: 128, unit: "count", source: "PARSEC21: -ns 128" },
    pieces: { value: 80, unit: "count", source: "chosen: pieces of a swaption", uncalibrated: true },
    pieceWork: { value: 1_000_000, unit: "ns", source: "chosen: a swaption of 80 ms", uncalibrated: true },
    shootdowns: {
      value: 100,
      unit: "per second",
      source: "INF: 20-200 per second and process",
      uncalibrated: true,
    },
    unmapWork: { value: 2_400, unit: "ns", source: "LATR: munmap of one page without its shootdown" },
  },
  build({ threads, scale, values: v }) {
    const perThread = Math.floor(v.swaptions / threads);
    const left = v.swaptions - perThread * threads;
    // The rate holds for a process whose threads all run.
    const probability = Math.min(1, (v.shootdowns * v.pieceWork) / 1e9 / threads);
    const unmap = writing("mm", compute(around(v.unmapWork, 0), "kernel"), { do: "shootdown" });
    const swaption: Step[] = [
      repeat(times(v.pieces, scale), compute(around(v.pieceWork, 0.1)), {
        do: "chance",
        probability,
        body: unmap,
      }),
      MARK,
    ];
    const groups = [
      { name: "worker", count: threads - 1, swaptions: perThread },
      { name: "last", count: 1, swaptions: perThread + left },
    ];
    return {
      // [MEM] PARSEC TR-811-08: a working set of half a megabyte, which the caches hold.
      memoryPart: 0,
      locks: { mm: { kind: "rwsem" } },
      tasks: groups
        .filter(({ count, swaptions }) => 0 < count && 0 < swaptions)
        .map(({ name, count, swaptions }) => ({ name, count, program: [repeat(swaptions, ...swaption)] })),
    };
  },
});
