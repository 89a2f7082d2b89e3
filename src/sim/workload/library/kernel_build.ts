/**
 * A kernel build: two compiler jobs per vCPU, processes of their own, so no shootdowns among vCPUs; they meet only at
 * the kernel's spinlocks and wait now and then for the disk. Alone it spins 0.2 % of its time, beside a CPU-bound
 * neighbour 7.6 % (V-L1, V-L2).
 */
import {
  around,
  compute,
  defineWorkload,
  type LibraryWorkload,
  MARK,
  repeat,
  times,
  underLock,
} from "./library_workload.ts";

export const kernelBuild: LibraryWorkload = defineWorkload({
  name: "kernel-build",
  brief: "Two compiler jobs per vCPU that meet at the kernel's spinlocks",
  parameters: {
    jobsPerThread: { value: 2, unit: "count", source: "OTICKET: two jobs per core are typical" },
    files: { value: 40, unit: "count", source: "chosen: files per job", uncalibrated: true },
    callsPerFile: {
      value: 60,
      unit: "count",
      source: "chosen: system calls that take a shared lock",
      uncalibrated: true,
    },
    userWork: { value: 180_000, unit: "ns", source: "chosen: between two such calls", uncalibrated: true },
    kernelWork: { value: 20_000, unit: "ns", source: "chosen: a kernel share near 12 %", uncalibrated: true },
    lockWork: {
      value: 1_000,
      unit: "ns",
      source: "chosen: 0.2 % of the time spinning alone [FRIEBEL]",
      uncalibrated: true,
    },
    diskWait: {
      value: 2_000_000,
      unit: "ns",
      source: "chosen: reads of headers that are not cached",
      uncalibrated: true,
    },
  },
  build({ threads, scale, values: v }) {
    const call = [
      compute(around(v.userWork, 1)),
      compute(around(v.kernelWork, 1), "kernel" as const),
      ...underLock("kernel", compute(around(v.lockWork, 1), "kernel")),
    ];
    return {
      locks: { kernel: { kind: "ticket" } },
      tasks: [
        {
          name: "cc",
          count: threads * v.jobsPerThread,
          program: [
            repeat(
              times(v.files, scale),
              { do: "sleep", time: around(v.diskWait, 1) },
              repeat(v.callsPerFile, ...call),
              MARK,
            ),
          ],
        },
      ],
    };
  },
});
