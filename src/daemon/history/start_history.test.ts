/** The shipped thread: what is on the disk when. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "libsql";
import { afterEach, expect, test } from "vitest";
import { type HistorySample, NO_COUNTS } from "./history_sample.ts";
import { type History, startHistory, TOGETHER_SECONDS } from "./start_history.ts";

const folder = mkdtempSync(join(tmpdir(), "vbal-history-"));
const path = join(folder, "history.db");
let history: History | null = null;

afterEach(async () => {
  await history?.close();
  rmSync(folder, { recursive: true });
});

function second(at: number): HistorySample {
  const unknown = { run: null, wait: null, steal: null, dispatches: null, interrupts: null, online: null };
  const row = {
    kind: "domain",
    name: "web",
    ...unknown,
    target: 1,
    entitlement: null,
    ...NO_COUNTS,
  } as const;
  return { at, rows: [row], measures: [] };
}

function onDisk(): number[] {
  const db = new Database(path);
  try {
    return (db.prepare("SELECT at FROM sample ORDER BY at").all() as { at: number }[]).map(({ at }) => at);
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
