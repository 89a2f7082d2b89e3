/** The loop on a simulated host: what it tells the controller, and when. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DEFAULT_POLICY } from "../core/policy.ts";
import type { Hypervisor } from "../hypervisor/port.ts";
import { createSimulatedHost, type SimulatedHost } from "../hypervisor/simulated/simulated_host.ts";
import { ControlLoop, RELEASE_DEADLINE_MS, type StepTaken } from "./control_loop.ts";
import { UsageWindow } from "./usage_window.ts";

const INTERVAL_MS = 1_000;

let host: SimulatedHost;
let loop: ControlLoop;
let taken: StepTaken[];
let faults: string[];
/** In order: when an observation began, and what the controller was told. */
let order: string[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  host = createSimulatedHost({ pcpus: 2 });
  taken = [];
  faults = [];
  order = [];
});

afterEach(async () => {
  await loop.close();
  vi.useRealTimers();
});

function loopOver(between: (door: Hypervisor) => Hypervisor = (door) => door): ControlLoop {
  loop = new ControlLoop({
    hypervisor: between(host.connect()),
    clock: { now: () => host.now() },
    policy: DEFAULT_POLICY,
    intervalMs: INTERVAL_MS,
    usage: new UsageWindow(),
    onStep: (step) => {
      taken.push(step);
      order.push(step.event.kind);
    },
    onObservation: () => undefined,
    onFault: (message) => faults.push(message),
  });
  return loop;
}

async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 50) {
    await vi.advanceTimersByTimeAsync(50);
    await host.advance(50);
  }
}

describe("looking", () => {
  test("a failing observation is told, and the loop goes on with the next", async () => {
    let failing = false;
    loopOver((door) => ({
      ...door,
      observe: (deadline) => (failing ? Promise.reject(new Error("no luck")) : door.observe(deadline)),
    }));
    host.arrive({ id: "a", vcpus: 2 });
    await loop.start();
    failing = true;
    await pass(2_500);
    expect(faults[0]).toBe("Cannot observe the host: Error: no luck; the last observation stays in force");
    failing = false;
    host.arrive({ id: "b", vcpus: 2 });
    await pass(2_500);
    expect(loop.state.snapshot?.domains.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(loop.state.underWay).toEqual([]);
  });

  test("the end of a command is told only with an observation that began after it", async () => {
    let failing = 0;
    loopOver((door) => ({
      ...door,
      async observe(deadline) {
        order.push("look");
        if (0 < failing--) throw new Error("no luck");
        return door.observe(deadline);
      },
      async pinVcpu(...args) {
        await door.pinVcpu(...args);
        order.push("done");
      },
    }));
    host.arrive({ id: "a", vcpus: 1 });
    host.arrive({ id: "b", vcpus: 1 });
    await loop.start();
    failing = 3;
    await pass(6_000);
    const ends = order.flatMap((entry, i) => (entry === "command-ended" ? [i] : []));
    expect(ends.length).toBeGreaterThan(0);
    const firstDone = order.indexOf("done");
    const looksBetween = order.slice(firstDone, ends[0]).filter((entry) => entry === "look").length;
    // Three that failed, and the one that showed what came of it.
    expect(looksBetween).toBeGreaterThanOrEqual(4);
    for (const end of ends)
      expect(order.slice(end).find((entry) => entry !== "command-ended")).toMatch(/observed|unchanged/);
  });

  test("hints in a burst become one look; without any there is one per interval", async () => {
    loopOver();
    await loop.start();
    const before = taken.length;
    for (let i = 0; i < 100; i++) loop.look();
    await pass(100);
    expect(taken.length).toBe(before + 1);
    await pass(3 * INTERVAL_MS);
    expect(taken.length).toBe(before + 4);
    expect(taken.at(-1)?.event.kind).toBe("unchanged");
  });

  test("an internal fault in a command is told and does not end the loop", async () => {
    loopOver((door) => ({ ...door, pinVcpu: () => Promise.reject(new TypeError("a bug")) }));
    host.arrive({ id: "a", vcpus: 1 });
    host.arrive({ id: "b", vcpus: 1 });
    await loop.start();
    await pass(1_000);
    expect(faults[0]).toBe("Internal fault in pin-vcpu of a: TypeError: a bug");
    expect(loop.state.attempts.length).toBeGreaterThan(0);
  });

  test("before the start nothing is decided from what an earlier life saw", async () => {
    loopOver();
    loop.changePolicy({ ...DEFAULT_POLICY, pool: [0] });
    expect(taken).toEqual([]);
    await loop.start();
    expect(loop.policy.pool).toEqual([0]);
  });
});

describe("release", () => {
  test("puts everything back and says so", async () => {
    loopOver();
    host.arrive({ id: "a", vcpus: 2 });
    host.arrive({ id: "b", vcpus: 2 });
    await loop.start();
    await pass(2_000);
    const releasing = loop.release();
    await pass(1_000);
    expect(await releasing).toEqual([]);
    const { domains } = (await host.connect().observe(0)).snapshot;
    expect(domains.map(({ vcpus }) => vcpus.map(({ pins }) => pins))).toEqual([
      [
        [0, 1],
        [0, 1],
      ],
      [
        [0, 1],
        [0, 1],
      ],
    ]);
  });

  test("gives up after its deadline and names those that are left", async () => {
    loopOver();
    host.arrive({ id: "a", vcpus: 2 });
    host.arrive({ id: "b", vcpus: 2 });
    await loop.start();
    await pass(2_000);
    host.behave("a", "refusing");
    const releasing = loop.release();
    await pass(RELEASE_DEADLINE_MS + 1_000);
    expect(await releasing).toEqual(["a"]);
  });

  test("goes on when observations fail in between", async () => {
    let failing = 0;
    loopOver((door) => ({
      ...door,
      observe: (deadline) => (0 < failing-- ? Promise.reject(new Error("no luck")) : door.observe(deadline)),
    }));
    host.arrive({ id: "a", vcpus: 2 });
    host.arrive({ id: "b", vcpus: 2 });
    await loop.start();
    await pass(2_000);
    failing = 3;
    const releasing = loop.release();
    await pass(2_000);
    expect(await releasing).toEqual([]);
  });
});
