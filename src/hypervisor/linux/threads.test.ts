import { describe, expect, test } from "vitest";
import { linuxAffinity } from "./affinity.ts";
import { parseSchedstat, processOf, threadState, threadsOf, watchThread } from "./threads.ts";
import { hostSysTree, readTopology } from "./topology.ts";

/** No kernel gives out so high a number. */
const NOBODY = 2 ** 30;

test.each([
  ["as the kernel writes it", "1329924 2616717 3\n", { run: 1_329_924, wait: 2_616_717, dispatches: 3 }],
  ["a thread that is gone", null, null],
  ["nothing", "", null],
  ["another file", "12 (CPU 0/KVM) R 1", null],
])("what schedstat says: %s", (_, text, times) => {
  expect(parseSchedstat(text)).toEqual(times);
});

describe.runIf(process.platform === "linux")("this very process, seen from outside", () => {
  const self = process.pid;

  test("its threads, its state and its times", () => {
    expect(threadsOf(self)).toContain(self);
    expect(threadsOf(self).map(processOf)).toEqual(threadsOf(self).map(() => self));
    const state = threadState(self, self)!;
    expect(["R", "S"]).toContain(state.letter);
    expect(Number(state.startTime)).toBeGreaterThan(0);
    const watched = watchThread(self, self);
    const before = watched.times()!;
    const after = watched.times()!;
    expect(before.run).toBeLessThanOrEqual(after.run);
    expect(1).toBeLessThanOrEqual(before.dispatches);
    expect(before.dispatches).toBeLessThanOrEqual(after.dispatches);
    expect(watched.state()!.startTime).toBe(state.startTime);
    watched.close();
    expect(watched.times()).toBeNull();
  });

  test("its affinity is read, written and read back", () => {
    const before = linuxAffinity.get(self)!;
    const online = readTopology(hostSysTree).filter((pcpu) => pcpu.online);
    expect(online.map((pcpu) => pcpu.id)).toEqual(expect.arrayContaining(before));
    expect(linuxAffinity.set(self, [before[0]!])).toBe("done");
    expect(linuxAffinity.get(self)).toEqual([before[0]]);
    expect(linuxAffinity.set(self, before)).toBe("done");
    expect(linuxAffinity.get(self)).toEqual(before);
  });

  test("a pCPU that is not there, alone, is refused; beyond 64 too", () => {
    expect(linuxAffinity.set(self, [4_000])).toBe("no-usable-pcpu");
    expect(linuxAffinity.set(self, [])).toBe("no-usable-pcpu");
  });

  test("a thread that is not there", () => {
    expect(linuxAffinity.get(NOBODY)).toBeNull();
    expect(linuxAffinity.set(NOBODY, [0])).toBe("no-such-thread");
    expect(threadsOf(NOBODY)).toEqual([]);
    expect(processOf(NOBODY)).toBeNull();
    expect(threadState(NOBODY, NOBODY)).toBeNull();
    const watched = watchThread(NOBODY, NOBODY);
    expect([watched.times(), watched.state()]).toEqual([null, null]);
    watched.close();
  });
});
