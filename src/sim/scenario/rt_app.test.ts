/** rt-app files: what maps becomes a workload, everything else is a fault with its place. */
import { describe, expect, test } from "vitest";
import { renderFault } from "../../protocol/fault.ts";
import type { Workload } from "../workload/program.ts";
import { parseRtApp } from "./rt_app.ts";

function check(file: object): Workload | string[] {
  const parsed = parseRtApp({ file: "r.json", text: JSON.stringify(file) });
  return "value" in parsed ? parsed.value : parsed.faults.map(renderFault);
}

describe("an rt-app file", () => {
  test("gives a task per entry: microseconds, instances, loops, delay, nice levels, phases in order", () => {
    const workload = check({
      global: { duration: 5, default_policy: "SCHED_OTHER" },
      tasks: {
        a: { instance: 2, loop: 3, delay: 100, priority: 5, run0: 10, sleep: 20, run1: 30 },
        b: { loop: 1, phases: { p: { loop: 2, run: 5 }, q: { yield: "" } } },
      },
    });
    expect(workload).toMatchObject({
      tasks: [
        {
          name: "a",
          count: 2,
          weight: 336,
          program: [
            { do: "sleep", time: 100_000 },
            {
              do: "repeat",
              times: 3,
              body: [
                { do: "compute", time: 10_000 },
                { do: "sleep", time: 20_000 },
                { do: "compute", time: 30_000 },
              ],
            },
          ],
        },
        {
          name: "b",
          program: [{ do: "repeat", times: 2, body: [{ do: "compute", time: 5_000 }] }, { do: "yield" }],
        },
      ],
    });
  });

  test("finds its resources by use: mutexes, conditions, and barriers of as many parties as name them", () => {
    const meets = { lock: "m", sync: { ref: "c", mutex: "m" }, unlock: "m", barrier: "b", run: 1 };
    expect(check({ tasks: { a: { instance: 2, ...meets }, z: meets } })).toMatchObject({
      locks: { m: { kind: "mutex" } },
      conditions: ["c"],
      barriers: { b: { parties: 3, spin: 0 } },
    });
  });

  test.each([
    {
      what: "timer",
      file: { tasks: { a: { timer: { ref: "t", period: 1000 } } } },
      at: "1:24: tasks.a.timer",
    },
    { what: "cpus", file: { tasks: { a: { run: 1, cpus: [0] } } }, at: "1:31: tasks.a.cpus" },
    {
      what: "a real-time policy",
      file: { tasks: { a: { run: 1, policy: "SCHED_FIFO" } } },
      at: "1:33: tasks.a.policy",
    },
    { what: "an unknown section", file: { tasks: { a: { run: 1 } }, extra: 1 }, at: "1:34: extra" },
    { what: "a time that is no number", file: { tasks: { a: { run: "1ms" } } }, at: "1:22: tasks.a.run" },
    { what: "no tasks", file: { global: {} }, at: "1:1: An rt-app file" },
  ])("$what: a fault with its place", ({ file, at }) => {
    const faults = check(file);
    expect(faults).toHaveLength(1);
    expect((faults as string[])[0]).toContain(`r.json:${at}`);
  });
});
