/** Replications until intervals are narrow, in pairs, and never twice. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { openRunLog } from "../runs/run_log.ts";
import { createRunPool } from "../runs/run_pool.ts";
import { pairedRatio, relativeHalfWidth } from "../statistics/estimate.ts";
import { cell } from "./cell.ts";
import { type CollectOptions, collect, type Group } from "./collect.ts";
import { merged } from "./merged.ts";

const folder = mkdtempSync(join(tmpdir(), "vbal-collect-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Two guests that fight for a lock: noisy, and cheap. */
const noisy = (id: string, scheduler: string) =>
  cell(id, {
    machine: { pcpus: 2 },
    host: { scheduler },
    until: { at: "5s", finished: ["vm1"] },
    domains: ["vm1", "vm2"].map((name) => ({
      name,
      vcpus: 2,
      restart: name === "vm2",
      workload: { name: "spin-barrier", scale: 0.005 },
    })),
  });
const group: Group = { cells: [noisy("a", "credit"), noisy("b", "cfs")], pairs: [["a", "b"]] };

async function collected(file: string, precision: CollectOptions["precision"]) {
  const log = openRunLog(join(folder, file), "test");
  let runs = 0;
  const pool = createRunPool({ workers: 1, workerFile: pathToFileURL("unused") });
  const results = await collect([group], {
    precision,
    phaseNs: 60_000_000,
    pool,
    log,
    onProgress: () => void runs++,
  });
  log.close();
  return { results, runs, n: results.times("a").length };
}

describe("collect", () => {
  test("goes on until the half-width is met; both cells have equally many", async () => {
    const { results, n } = await collected("met", { pilot: 3, cap: 400, halfWidth: 0.25 });
    expect(results.times("b")).toHaveLength(n);
    expect(relativeHalfWidth(pairedRatio(results.times("a"), results.times("b")))).toBeLessThanOrEqual(0.25);
    expect(n).toBeGreaterThan(3);
  });

  test("stops at the cap when it cannot be met", async () => {
    expect((await collected("cap", { pilot: 3, cap: 7, halfWidth: 1e-9 })).n).toBe(7);
  });

  test("what the log holds is not run again, and gives the same results", async () => {
    const precision = { pilot: 4, cap: 4, halfWidth: 1 };
    const first = await collected("twice", precision);
    const second = await collected("twice", precision);
    expect([first.runs, second.runs]).toEqual([8, 0]);
    expect(second.results.times("a")).toEqual(first.results.times("a"));
  });

  test("phases are drawn anew for each replication, and the same for both policies", async () => {
    const { results } = await collected("twice", { pilot: 4, cap: 4, halfWidth: 1 });
    const starts = (id: string) => results.column(id, "domains.vm2.startAtNs");
    expect(starts("a")).toEqual(starts("b"));
    expect(new Set(starts("a")).size).toBe(4);
    expect(Math.max(...starts("a"))).toBeLessThan(60_000_000);
  });
});

test("groups that share a cell become one, so that pairs stay pairs", () => {
  const [a, b, c, d] = ["a", "b", "c", "d"].map((id) => noisy(id, "credit"));
  const groups = merged([
    { cells: [a!, b!], pairs: [["a", "b"]] },
    { cells: [d!], pairs: [] },
    { cells: [b!, c!], pairs: [["b", "c"]] },
  ]);
  expect(
    groups.map(({ cells, pairs }) => [
      cells
        .map(({ id }) => id)
        .sort()
        .join(""),
      pairs.length,
    ]),
  ).toEqual([
    ["d", 0],
    ["abc", 2],
  ]);
});
