/**
 * A web server: requests arrive whatever the server does (open loop), each by an interrupt at vCPU 0; a worker is
 * woken by IPI, computes, enters the kernel for short sections under spinlocks, and unmaps the file it served, which
 * is a TLB shootdown per request. It runs until the run ends; `mark` counts requests.
 */
import {
  around,
  compute,
  defineWorkload,
  type LibraryWorkload,
  MARK,
  repeat,
  underLock,
  writing,
} from "./library_workload.ts";

export const apache: LibraryWorkload = defineWorkload({
  name: "apache",
  brief: "A web server with open-loop arrivals, spinlocks and a shootdown per request",
  parameters: {
    requests: {
      value: 6_000,
      unit: "per second",
      source: "VSCALE: 6,000 requests per second, 4 vCPUs; scale multiplies it",
    },
    backlog: { value: 511, unit: "count", source: "Apache: ListenBacklog" },
    workersPerThread: { value: 4, unit: "count", source: "chosen: mpm_event's threads", uncalibrated: true },
    requestWork: {
      value: 250_000,
      unit: "ns",
      source: "chosen: 4 vCPUs saturate near 7,000 requests per second",
      uncalibrated: true,
    },
    sections: {
      value: 4,
      unit: "count",
      source: "chosen: socket, dentry, page and accept locks",
      uncalibrated: true,
    },
    sectionWork: {
      value: 2_000,
      unit: "ns",
      source: "SEED-U2: sub-millisecond locked intervals",
      uncalibrated: true,
    },
    unmapWork: { value: 2_400, unit: "ns", source: "LATR: munmap of one page without its shootdown" },
  },
  build({ threads, scale, values: v }) {
    return {
      locks: { kernel: { kind: "ticket" }, mm: { kind: "rwsem" } },
      queues: { requests: { capacity: v.backlog } },
      sources: [{ queue: "requests", interval: around(1e9 / (v.requests * scale), 1), vcpu: 0 }],
      tasks: [
        {
          name: "worker",
          count: threads * v.workersPerThread,
          program: [
            {
              do: "repeat",
              body: [
                { do: "pop", queue: "requests" },
                compute(around(v.requestWork, 0.5)),
                repeat(v.sections, ...underLock("kernel", compute(around(v.sectionWork, 1), "kernel"))),
                ...writing("mm", compute(around(v.unmapWork, 0), "kernel"), { do: "shootdown" }),
                MARK,
              ],
            },
          ],
        },
      ],
    };
  },
});
