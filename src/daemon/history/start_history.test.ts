/** The shipped thread: what is on the disk when. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import Database from "libsql";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type HistorySample, NO_COUNTS } from "./history_sample.ts";
import { type History, startHistory, TOGETHER_SECONDS } from "./start_history.ts";

let folder: string;
let path: string;
let history: History | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vbal-history-"));
  path = join(folder, "history.db");
});

afterEach(async () => {
  await history?.close();
  history = null;
  rmSync(folder, { recursive: true });
});

function second(at: number): HistorySample {
  const rates = { run: null, wait: null, steal: null, dispatches: null, interrupts: null };
  const row = {
    kind: "domain",
    name: "web",
    ...rates,
    switches: null,
    spinning: null,
    inKernel: null,
    stacking: null,
    online: null,
    target: 1,
    entitlement: null,
    ...NO_COUNTS,
  } as const;
  return { at, rows: [row], measures: [] };
}

function onDisk(): number[] {
  const db = new Database(path);
  try {
    return (db.prepare("SELECT at FROM sample WHERE span = 1 ORDER BY at").all() as { at: number }[]).map(
      ({ at }) => at,
    );
  } finally {
    db.close();
  }
}

test("seconds go to the disk together, the first at once, and a stop loses none", async () => {
  history = startHistory({ path, maxBytes: 1_000_000, onFault: (text) => expect.fail(text) });
  history.keep(second(100));
  await expect.poll(() => history?.meters.waiting, { timeout: 10_000 }).toBe(0);
  expect(onDisk()).toEqual([100]);
  for (let at = 101; at < 100 + TOGETHER_SECONDS; at++) history.keep(second(at));
  expect(history.meters).toMatchObject({ waiting: TOGETHER_SECONDS - 1, leftOut: 0 });
  history.keep(second(100 + TOGETHER_SECONDS));
  await expect.poll(() => history?.meters.waiting, { timeout: 10_000 }).toBe(0);
  expect(onDisk()).toEqual([100, 101, 102, 103, 104, 105]);
  history.keep(second(106));
  await history.close();
  history = null;
  expect(onDisk()).toEqual([100, 101, 102, 103, 104, 105, 106]);
});

test("a thread that dies takes nothing with it that it was not sent, and each second counts once", async () => {
  const workers: Worker[] = [];
  const onWorker = (worker: Worker) => void workers.push(worker);
  process.on("worker", onWorker);
  history = startHistory({ path, maxBytes: 1_000_000, onFault: (text) => expect.fail(text) });
  history.keep(second(100));
  await expect.poll(() => history?.meters.waiting, { timeout: 10_000 }).toBe(0);
  process.off("worker", onWorker);
  history.keep(second(101));
  history.keep(second(102));
  await workers[0]!.terminate();
  expect(history.meters).toMatchObject({ waiting: 2, leftOut: 0 });
  // After the pause before another one is started.
  history.keep(second(120));
  await expect.poll(() => history?.meters.waiting, { timeout: 10_000 }).toBe(0);
  expect(history.meters.leftOut).toBe(0);
  expect(onDisk()).toEqual([100, 101, 102, 120]);
});
