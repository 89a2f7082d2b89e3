/**
 * PARSEC dedup: a pipeline of five stages, the first and the last with one thread, the others with N each. Stages
 * allocate and free buffers in different threads: page faults under the shared memory lock, now and then an munmap
 * under the exclusive one with a TLB shootdown. Simplified: one queue between two stages instead of one per four
 * threads, so waiting at a queue's own mutex is left out.
 */
import type { Step } from "../program.ts";
import {
  around,
  compute,
  defineWorkload,
  type LibraryWorkload,
  MARK,
  reading,
  repeat,
  writing,
} from "./library_workload.ts";

export const dedup: LibraryWorkload = defineWorkload({
  name: "dedup",
  brief: "PARSEC: a pipeline whose threads fault, map and unmap memory",
  parameters: {
    items: { value: 4_800, unit: "count", source: "chosen: for a run of about a second", uncalibrated: true },
    capacity: {
      value: 256,
      unit: "count",
      source: "chosen: 1 M slots hold far more than is in flight",
      uncalibrated: true,
    },
    readWork: {
      value: 60_000,
      unit: "ns",
      source: "chosen: the serial ends limit scaling",
      uncalibrated: true,
    },
    anchorWork: { value: 250_000, unit: "ns", source: "chosen", uncalibrated: true },
    chunkWork: { value: 500_000, unit: "ns", source: "chosen", uncalibrated: true },
    compressWork: { value: 1_200_000, unit: "ns", source: "chosen", uncalibrated: true },
    writeWork: {
      value: 60_000,
      unit: "ns",
      source: "chosen: the serial ends limit scaling",
      uncalibrated: true,
    },
    faultChance: {
      value: 0.5,
      unit: "fraction",
      source: "chosen for a kernel share of 15-25 % [INF]",
      uncalibrated: true,
    },
    faultWork: {
      value: 200_000,
      unit: "ns",
      source: "chosen: a batch of some 100 minor faults",
      uncalibrated: true,
    },
    unmapChance: {
      value: 0.2,
      unit: "fraction",
      source: "chosen; VSCALE: 940 IPIs per vCPU and second",
      uncalibrated: true,
    },
    unmapWork: { value: 2_400, unit: "ns", source: "LATR: munmap of one page without its shootdown" },
  },
  build({ threads, scale, values: v }) {
    const perThread = Math.max(1, Math.round((v.items * scale) / threads));
    const all = perThread * threads;
    const memory: Step[] = [
      {
        do: "chance",
        probability: v.faultChance,
        body: reading("mm", compute(around(v.faultWork, 1), "kernel")),
      },
      {
        do: "chance",
        probability: v.unmapChance,
        body: writing("mm", compute(around(v.unmapWork, 0), "kernel"), { do: "shootdown" }),
      },
    ];
    const pop = (queue: string): Step => ({ do: "pop", queue });
    const push = (queue: string): Step => ({ do: "push", queue });
    const stage = (name: string, from: string, to: string, work: number) => ({
      name,
      count: threads,
      program: [repeat(perThread, pop(from), compute(around(work, 1)), ...memory, push(to))],
    });
    const queue = { capacity: v.capacity };
    return {
      locks: { mm: { kind: "rwsem" } },
      queues: { coarse: queue, fine: queue, unique: queue, compressed: queue },
      tasks: [
        {
          name: "reader",
          count: 1,
          program: [repeat(all, compute(around(v.readWork, 0.5)), push("coarse"))],
        },
        stage("anchor", "coarse", "fine", v.anchorWork),
        stage("chunk", "fine", "unique", v.chunkWork),
        stage("compress", "unique", "compressed", v.compressWork),
        {
          name: "writer",
          count: 1,
          program: [repeat(all, pop("compressed"), compute(around(v.writeWork, 0.5)), MARK)],
        },
      ],
    };
  },
});
