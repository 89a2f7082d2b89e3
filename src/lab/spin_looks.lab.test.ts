/** Looking at a real guest's vCPUs tells one that spins for a sibling from one that computes. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Hypervisor } from "../hypervisor/port.ts";
import { createQmpAdapter } from "../hypervisor/qmp/qmp_adapter.ts";
import type { Guest } from "./guest.ts";
import type { GuestProgram } from "./guest_program.ts";
import { type Lab, startLab } from "./lab.ts";

const LOOKS_EVERY_MS = 200;
const WATCHED_SECONDS = 8;
const DEADLINE_MS = 5_000;

let lab: Lab;
let guest: Guest;
let adapter: Hypervisor;

beforeAll(async () => {
  lab = await startLab({ dir: "spin-looks", restore: true });
  guest = await lab.boot({ name: "a", vcpus: 2 });
  await guest.waitReady();
  // One of the two is always off the pCPU: what waits for it spins.
  await guest.pinVcpus([[0], [0]]);
  adapter = createQmpAdapter({ directory: lab.folder, spinLooksMs: LOOKS_EVERY_MS });
  await adapter.start(() => undefined);
});

afterAll(async () => {
  await adapter?.close();
  await lab?.down();
});

test("spin-barrier is seen to spin, compute is not", async () => {
  const compute = await meanSpinning("compute");
  const barrier = await meanSpinning("spin-barrier");
  console.log(`Of the vCPUs looked at, spinning: compute ${compute}, spin-barrier ${barrier}`);
  expect(compute).toBeLessThan(0.2);
  expect(barrier).toBeGreaterThan(0.5);
});

/** While the program runs, of the looks that tell. */
async function meanSpinning(program: GuestProgram): Promise<number> {
  const over = new AbortController();
  const load = guest.rate(program, { seconds: WATCHED_SECONDS }).finally(() => over.abort());
  const seen: number[] = [];
  while (!over.signal.aborted) {
    await sleep(LOOKS_EVERY_MS);
    const { usage, problems } = await adapter.observe(DEADLINE_MS);
    expect(problems).toEqual([]);
    const spinning = usage[0]?.spinning ?? null;
    if (spinning !== null) seen.push(spinning);
  }
  await load;
  expect(seen.length).toBeGreaterThan(0);
  return seen.reduce((sum, part) => sum + part, 0) / seen.length;
}
