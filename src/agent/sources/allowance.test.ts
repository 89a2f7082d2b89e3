import { describe, expect, test } from "vitest";
import { GuestOfData } from "../guest_of_data.ts";
import { ALLOWED_SHARE, Allowance } from "./allowance.ts";
import { startScan } from "./scan.ts";

/** How many of so many seconds could be used, when each use takes `usedMs` and there is one a second. */
function check(seconds: number, usedMs: number): number {
  const allowance = new Allowance(ALLOWED_SHARE);
  let runNs = 0;
  let uses = 0;
  for (let second = 0; second <= seconds; second++) {
    allowance.charge(second * 1_000, runNs);
    if (allowance.isOverdrawn) continue;
    uses += 1;
    runNs += usedMs * 1e6;
  }
  return uses;
}

describe("the agent's allowance of 1 % of a vCPU", () => {
  test.each([
    { why: "3 ms a second, as on a real processor: always", usedMs: 3, uses: 1_001 },
    { why: "10 ms: always", usedMs: 10, uses: 1_001 },
    { why: "100 ms, as in an emulated guest: the credit, then 1 %", usedMs: 100, uses: 104 },
  ])("$why", ({ usedMs, uses }) => {
    expect(Math.abs(check(1_000, usedMs) - uses)).toBeLessThanOrEqual(1);
  });

  test("a storm is not paid for for ever, and a kernel that does not tell is not held up", () => {
    const allowance = new Allowance(ALLOWED_SHARE);
    allowance.charge(0, 0);
    allowance.charge(1_000, 60e9);
    expect(allowance.isOverdrawn).toBe(true);
    allowance.charge(62_000, 60e9);
    expect(allowance.isOverdrawn).toBe(false);
    const untold = new Allowance(ALLOWED_SHARE);
    for (let ms = 0; ms < 10_000; ms += 1_000) untold.charge(ms, 0);
    expect(untold.isOverdrawn).toBe(false);
  });
});

test("a scan of threads ends with its time, and knows how many it left out", () => {
  const guest = new GuestOfData(1);
  const scan = startScan(guest, 5);
  let looked = 0;
  for (let thread = 0; thread < 20; thread++) {
    if (!scan.goesOn()) continue;
    looked += 1;
    guest.pass(1);
  }
  expect([looked, scan.leftOut()]).toEqual([5, 15]);
});
