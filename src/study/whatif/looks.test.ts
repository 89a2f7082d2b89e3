/** What looks at vCPUs, and a host's facts, add to a record. */
import { describe, expect, test } from "vitest";
import { distanceOf } from "./distance.ts";
import { ALL_BUT_LOOKS, strictAnswer, truthOf } from "./known_host_suite.ts";
import type { HostModel } from "./model.ts";

const FEW = 24;
const LOOKS_TOO = { ...ALL_BUT_LOOKS, spinning: true };
/** Whatever the host has to do brings vCPUs out of step, and on an emulating one nobody notices that they spin. */
const UNQUIET: Partial<HostModel> = {
  pauseLoopExits: false,
  housekeeping: { workNs: 100_000, sleepNs: 1_900_000 },
};

describe("looks", () => {
  test.each([
    { why: "a tenth of all looks is allowed", recorded: 0.3, simulated: 0.39, isClose: true },
    { why: "more is not", recorded: 0.3, simulated: 0.41, isClose: false },
    { why: "nobody spins", recorded: 0, simulated: 0.05, isClose: true },
    { why: "who nearly always spins hardly works", recorded: 0.98, simulated: 0.93, isClose: false },
    { why: "and may as well never work", recorded: 0.98, simulated: 1, isClose: true },
  ])("$why", ({ recorded, simulated, isClose }) => {
    const { recording, before } = truthOf({});
    const domain = { ...recording.domains[0]!, spinning: { mean: recorded, error: 0 } };
    expect(distanceOf(domain, { ...before[0]!, spinning: simulated }) <= 1).toBe(isClose);
    expect(distanceOf({ ...domain, spinning: null }, { ...before[0]!, spinning: simulated })).toBeLessThan(1);
  });

  test("what spins by itself gains, and only looks say so", () => {
    const spinner = { meeting: "spin-barrier", workNs: 50_000 } as const;
    const { recording, gain, before } = truthOf(spinner, { sees: LOOKS_TOO, host: UNQUIET });
    expect(gain).toBeGreaterThan(1.8);
    expect(before[0]!.spinning).toBeGreaterThan(0.4);
    expect(strictAnswer(recording, 40).throughput.value).toBeGreaterThan(1.4);
    const { recording: without } = truthOf(spinner, { host: UNQUIET });
    expect(strictAnswer(without, FEW).throughput.value).toBeLessThan(1.2);
  });

  test("what computes is not taken for spinning", () => {
    const { recording } = truthOf({}, { sees: LOOKS_TOO, host: UNQUIET });
    expect(strictAnswer(recording, FEW).throughput.value).toBeLessThan(1.1);
  });
});

describe("what a model has beside", () => {
  test("sharing a pCPU costs the part of speed that was said, and vbal gives it back", () => {
    const gains = [0, 0.05].map((sharingLoss) => truthOf({}, { host: { sharingLoss } }).gain);
    expect(gains[1]! / gains[0]!).toBeGreaterThan(1.03);
    expect(gains[1]! / gains[0]!).toBeLessThan(1.07);
  });

  test("threads that rest together lose nothing with fewer vCPUs; threads that rest each for itself do", () => {
    const gainOf = (together: boolean) =>
      truthOf({ burst: { workNs: 5_000_000, sleepNs: 3_000_000, together } }).gain;
    expect(gainOf(true)).toBeGreaterThan(0.95);
    expect(gainOf(false)).toBeLessThan(0.9);
  });
});
