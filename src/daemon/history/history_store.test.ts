/** The history through what happens to files: kills, full disks, damage, years. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "libsql";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { HistoryView } from "../../protocol/api_history.ts";
import { threadFile } from "../thread_file.ts";
import type { HistoryRow, HistorySample } from "./history_sample.ts";
import { HistoryStore } from "./history_store.ts";
import { HistoryReader } from "./read_history.ts";
import { TOGETHER_SECONDS } from "./start_history.ts";

const MIB = 1024 * 1024;
/** A whole hour, so that rows of every level begin here. */
const BEGIN = 1_700_000_000 - (1_700_000_000 % 3_600);

let folder: string;
let path: string;
let faults: string[];
let store: HistoryStore | null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vbal-history-"));
  path = join(folder, "history.db");
  faults = [];
  store = null;
});

afterEach(() => {
  store?.close();
  rmSync(folder, { recursive: true });
});

function open(maxBytes = 64 * MIB): HistoryStore {
  store = new HistoryStore({ path, maxBytes, onFault: (text) => faults.push(text.replaceAll(folder, "")) });
  return store;
}

/** `run` milli-pCPU in second `at` after the begin, with one change. */
function sample(at: number, run: number | null, over: Partial<HistoryRow> = {}): HistorySample {
  const row: HistoryRow = {
    kind: "domain",
    name: "web",
    run,
    wait: 0,
    steal: null,
    dispatches: null,
    interrupts: null,
    switches: null,
    spinning: null,
    inKernel: null,
    stacking: null,
    online: 2,
    target: 2,
    entitlement: 2_000,
    requests: 0,
    denials: 0,
    changes: 1,
    ...over,
  };
  return { at: BEGIN + at, rows: [row], measures: [{ domain: "web", measure: "vm.composite", value: at }] };
}

function look(from: number, to: number, points: number, name = "web"): HistoryView {
  const [fromMs, toMs] = [(BEGIN + from) * 1000, (BEGIN + to) * 1000];
  const reader = new HistoryReader(path);
  try {
    return reader.read({ kind: "domain", name, fromMs, toMs, points });
  } finally {
    reader.close();
  }
}

describe("what was written is read", () => {
  test("second by second, with gaps where nothing was recorded", () => {
    const history = open();
    for (const at of [0, 1, 4]) history.write(sample(at, 100 * at));
    const seen = look(0, 10, 100);
    expect(seen).toMatchObject({ kind: "domain", name: "web", pointSeconds: 1 });
    expect(seen.atMs.map((ms) => ms / 1000 - BEGIN)).toEqual([0, 1, 4]);
    expect(seen.series).toMatchObject({
      runMilliPcpu: [0, 100, 400],
      stealMilliPcpu: [null, null, null],
      changes: [1, 1, 1],
    });
    expect(seen.measures).toEqual([{ measure: "vm.composite", values: [0, 1, 4] }]);
  });

  test("in fewer points: means of times, the most of the most, sums of counts", () => {
    const history = open();
    for (let at = 0; at < 60; at++) {
      const rates = {
        dispatches: 200 + at,
        interrupts: at,
        switches: at < 45 ? 10 * at : null,
        spinning: at < 15 ? null : at % 2,
        inKernel: 0.5,
        stacking: at % 2,
      };
      history.write(sample(at, at < 30 ? 0 : 1_000, { requests: 1, ...rates }));
    }
    const seen = look(0, 60, 3);
    expect(seen.pointSeconds).toBe(30);
    expect(seen.series).toMatchObject({
      runMilliPcpu: [0, 1_000],
      runMaxMilliPcpu: [0, 1_000],
      dispatchesPerSecond: [214.5, 244.5],
      interruptsPerSecond: [14.5, 44.5],
      switchesPerSecond: [145, 370],
      spinningPart: [8 / 15, 0.5],
      inKernelPart: [0.5, 0.5],
      stackingPart: [0.5, 0.5],
      requests: [30, 30],
      changes: [30, 30],
    });
  });

  test("nothing of a domain that never was, and nothing without a file", () => {
    expect(look(0, 10, 10).atMs).toEqual([]);
    open().write(sample(0, 1));
    expect(look(0, 10, 10, "db").atMs).toEqual([]);
  });

  test.each(["a'; DROP TABLE sample; --", "größe", "日本", "%", "constructor"])(
    "a domain named %s",
    (name) => {
      open().write(sample(0, 7, { name }));
      expect(look(0, 1, 2, name).series.runMilliPcpu).toEqual([7]);
    },
  );
});

describe("it grows coarser with age", () => {
  test("after three hours: the first is in minutes, nothing is counted twice", () => {
    const history = open();
    const seconds = 3 * 3_600;
    for (let at = 0; at < seconds; at += 10) history.write(sample(at, 500));
    // Of seconds only the last hour is left, of minutes all.
    expect(look(0, 600, 2_000).pointSeconds).toBe(60);
    expect(look(0, 600, 2_000).atMs).toHaveLength(10);
    const recent = look(seconds - 600, seconds, 2_000);
    expect([recent.pointSeconds, recent.atMs.length]).toEqual([1, 60]);
    // Whatever the points, every change is in exactly one of them.
    for (const points of [2, 7, 50, 300]) {
      const { series, atMs } = look(0, seconds, points);
      expect(atMs.length).toBeLessThanOrEqual(points);
      expect(series.changes.reduce<number>((sum, value) => sum + (value ?? 0), 0)).toBe(seconds / 10);
      expect(new Set(series.runMilliPcpu)).toEqual(new Set([500]));
    }
  });

  test("a minute has the mean of the seconds whose guest told its switches", () => {
    const history = open();
    for (let at = 0; at < 7_200; at += 15) {
      history.write(sample(at, 500, { switches: at % 60 === 0 ? null : 1_000 + (at % 60) }));
    }
    const seen = look(0, 600, 2_000);
    expect(seen.pointSeconds).toBe(60);
    expect(new Set(seen.series.switchesPerSecond)).toEqual(new Set([1_030]));
  });

  test("months later, hours are left of it", () => {
    const history = open();
    for (let at = 0; at < 7_200; at += 30) history.write(sample(at, 250));
    const later = 60 * 24 * 3_600;
    for (let at = later; at < later + 180; at += 30) history.write(sample(at, 750));
    const seen = look(0, 7_200, 300);
    expect([seen.pointSeconds, seen.series.runMilliPcpu]).toEqual([3_600, [250, 250]]);
    expect(look(later, later + 180, 300).atMs).toHaveLength(6);
  });
});

describe("it stays within its bound", () => {
  test.each([
    { why: "many domains for a long time", maxBytes: 2 * MIB, seconds: 1_200 },
    {
      why: "many domains in so little that a page holds most of what one has",
      maxBytes: MIB / 2,
      seconds: 300,
    },
  ])("$why: the oldest go, the newest stay", ({ maxBytes, seconds }) => {
    const history = open(maxBytes);
    const names = Array.from({ length: 100 }, (_, i) => `domain-${i}`);
    const second = (at: number): HistorySample => ({
      ...sample(at, 1),
      rows: names.map((name) => sample(at, 1, { name }).rows[0]!),
      measures: [],
    });
    for (let at = 0; at < seconds; at += TOGETHER_SECONDS) {
      history.write(...Array.from({ length: TOGETHER_SECONDS }, (_, i) => second(at + i)));
    }
    history.close();
    store = null;
    expect(statSync(path).size).toBeLessThanOrEqual(maxBytes);
    expect(faults).toEqual([]);
    expect(look(seconds - 10, seconds, 100, "domain-99").atMs).toHaveLength(10);
  });
});

describe("kill -9", () => {
  test("leaves what was committed, whole", async () => {
    const writer = await startWriter([path, `${BEGIN}`]);
    await writer.untilSecond(40);
    await writer.kill();
    open();
    expect(faults).toEqual([]);
    const { atMs } = look(0, 1_000_000, 2_000);
    expect(atMs.length).toBeGreaterThan(0);
  });
});

describe("a full disk", () => {
  test("is told, costs what comes meanwhile, and the rest goes on", () => {
    // The kernel's own limit of a file's size, in a process of its own: a write fails as on a full disk.
    const ended = spawnSync(
      "prlimit",
      [
        "--fsize=300000",
        process.execPath,
        "--input-type=module",
        "-e",
        FILL,
        threadFile("history/history_store.js").href,
        path,
      ],
      { encoding: "utf8" },
    );
    expect(ended.stderr).toBe("");
    expect(ended.stdout).toMatch(/^failed after \d+: .*(full|disk I\/O error)/);
    open();
    expect(look(0, 1_000_000, 2_000, "domain-0").atMs.length).toBeGreaterThan(0);
    store!.write(sample(1_000_000, 1));
    expect(look(1_000_000, 1_000_001, 10).atMs).toHaveLength(1);
  });
});

/** As they were written then: the tables, and what stands behind the changes of a row. */
const tablesWith = (more: string) => `
  CREATE TABLE series (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (kind, name));
  CREATE TABLE sample (
    span INTEGER NOT NULL, series INTEGER NOT NULL, at INTEGER NOT NULL,
    run REAL, runMax REAL, wait REAL, steal REAL, online REAL, target REAL, entitlement REAL,
    requests INTEGER NOT NULL, denials INTEGER NOT NULL, changes INTEGER NOT NULL,${more}
    PRIMARY KEY (span, series, at)
  ) WITHOUT ROWID;
  CREATE TABLE measure (
    span INTEGER NOT NULL, series INTEGER NOT NULL, measure TEXT NOT NULL, at INTEGER NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (span, series, measure, at)
  ) WITHOUT ROWID;`;

const NOTHING_MORE = { dispatches: null, interrupts: null, spinning: null, stacking: null, inKernel: null };

/** What each version had more than the first. */
const EARLIER = [
  { version: 1, columns: "", more: "", ...NOTHING_MORE },
  { version: 2, columns: " dispatches REAL,", more: ", 270", ...NOTHING_MORE, dispatches: 270 },
  {
    version: 3,
    columns: " dispatches REAL, interrupts REAL,",
    more: ", 270, 30",
    ...NOTHING_MORE,
    dispatches: 270,
    interrupts: 30,
  },
  {
    version: 4,
    columns: " dispatches REAL, interrupts REAL, spinning REAL,",
    more: ", 270, 30, 0.75",
    ...NOTHING_MORE,
    dispatches: 270,
    interrupts: 30,
    spinning: 0.75,
  },
  {
    version: 5,
    columns: " dispatches REAL, interrupts REAL, spinning REAL, stacking REAL, inKernel REAL,",
    more: ", 270, 30, 0.75, 500, 125",
    dispatches: 270,
    interrupts: 30,
    spinning: 0.75,
    stacking: 0.5,
    inKernel: 0.125,
  },
];

describe.each(EARLIER)("a history of version $version", (earlier) => {
  const { version, columns, more, dispatches, interrupts, spinning, stacking, inKernel } = earlier;

  /** A minute of seconds, and an hour before that. */
  function writeEarlier(): void {
    const old = new Database(path);
    old.exec(
      `${tablesWith(columns)} PRAGMA user_version = ${version}; INSERT INTO series VALUES (1, 'domain', 'web');`,
    );
    const insert = old.prepare(
      `INSERT INTO sample VALUES (?, 1, ?, 500, 500, 9, NULL, 2, 2, 2000, 0, 0, 1${more})`,
    );
    insert.run(3_600, BEGIN - 3_600);
    for (let at = 0; at < 60; at++) insert.run(1, BEGIN + at);
    old.prepare("INSERT INTO measure VALUES (1, 1, 'vm.composite', ?, 3)").run(BEGIN);
    old.close();
  }

  const shown = () => look(-3_600, 120, 4_000);

  test("is read as it is: what it lacks is not known", () => {
    writeEarlier();
    const { atMs, series } = look(0, 60, 100);
    expect(atMs).toHaveLength(60);
    expect(new Set(series.dispatchesPerSecond)).toEqual(new Set([dispatches]));
    expect(new Set(series.interruptsPerSecond)).toEqual(new Set([interrupts]));
    expect(new Set(series.spinningPart)).toEqual(new Set([spinning]));
    expect(new Set(series.stackingPart)).toEqual(new Set([stacking]));
    expect(new Set(series.inKernelPart)).toEqual(new Set([inKernel]));
    expect(new Set(series.switchesPerSecond)).toEqual(new Set([null]));
  });

  test("is gone on with, and loses nothing; seconds from now on have what it lacks", () => {
    writeEarlier();
    const before = shown();
    open();
    expect(faults).toEqual([]);
    expect(shown()).toEqual(before);
    const rates = { dispatches: 1_500, interrupts: 80, switches: 9_000 };
    store!.write(sample(60, 700, { ...rates, spinning: 0.25, stacking: 1, inKernel: 0.75 }));
    // And once more, as it is now.
    for (const again of [false, true]) {
      if (again) {
        store!.close();
        open();
      }
      const { series } = look(59, 61, 100);
      expect(series.dispatchesPerSecond).toEqual([dispatches, 1_500]);
      expect(series.interruptsPerSecond).toEqual([interrupts, 80]);
      expect(series.spinningPart).toEqual([spinning, 0.25]);
      expect(series.stackingPart).toEqual([stacking, 1]);
      expect(series.inKernelPart).toEqual([inKernel, 0.75]);
      expect(series.switchesPerSecond).toEqual([null, 9_000]);
    }
  });
});

describe("a history of a later version", () => {
  test("is set aside whole: this vbal does not know it", () => {
    const later = new Database(path);
    later.exec("PRAGMA user_version = 99; CREATE TABLE sample (x);");
    later.close();
    open();
    expect(faults).toEqual([
      expect.stringContaining("it is of version 99, and this vbal knows those up to 6"),
    ]);
    expect(readdirSync(folder)).toContain("history.db.damaged.1");
  });
});

describe("damage", () => {
  test.each<[how: string, harm: (file: string) => void]>([
    [
      "another program's file",
      (file) => writeFileSync(file, "not a database, but long enough to look like one".repeat(50)),
    ],
    ["a file cut off in the middle", (file) => truncateSync(file, 8_192)],
    ["a page of zeroes", (file) => overwrite(file, 4_096, 4_096)],
  ])("%s is set aside with a message, and a new history is begun", (_, harm) => {
    const first = open();
    for (let at = 0; at < 200; at++) first.write(sample(at, 1));
    first.close();
    store = null;
    harm(path);
    open().write(sample(300, 42));
    expect(faults).toEqual([
      expect.stringMatching(
        /^The history \/history\.db is damaged \(.*\); it was set aside as \/history\.db\.damaged\.1, and a new one is begun\./,
      ),
    ]);
    expect(readdirSync(folder)).toContain("history.db.damaged.1");
    expect(look(0, 1_000, 2_000).series.runMilliPcpu).toEqual([42]);
  });
});

/** Fills the history until it cannot go on, and says why. */
const FILL = `
  const { HistoryStore } = await import(process.argv[1]);
  const store = new HistoryStore({ path: process.argv[2], maxBytes: 64 * 1024 * 1024, onFault: console.error });
  const counts = { requests: 0, denials: 0, changes: 0 };
  const times = { run: 1, wait: 1, steal: 1, online: 1, target: 1, entitlement: 1 };
  const rates = { dispatches: 1, interrupts: 1, switches: 1, spinning: 1 };
  const row = { kind: "domain", ...times, ...rates, ...counts };
  const rows = Array.from({ length: 50 }, (_, i) => ({ ...row, name: "domain-" + i }));
  for (let at = 0; at < 10000; at++) {
    try {
      store.write({ at: ${BEGIN} + at, rows, measures: [] });
    } catch (error) {
      console.log("failed after " + at + ": " + error.message);
      process.exit(0);
    }
  }
  console.log("never failed");`;

const WRITE = `
  const { HistoryStore } = await import(process.argv[1]);
  const store = new HistoryStore({ path: process.argv[2], maxBytes: 64 * 1024 * 1024, onFault: console.error });
  const counts = { requests: 0, denials: 0, changes: 0 };
  const times = { run: 1, wait: 1, steal: 1, online: 1, target: 1, entitlement: 1 };
  const rates = { dispatches: 1, interrupts: 1, switches: 1, spinning: 1 };
  const row = { kind: "domain", name: "web", ...times, ...rates, ...counts };
  for (let at = 0; ; at++) {
    store.write({ at: Number(process.argv[3]) + at, rows: [row], measures: [] });
    console.log(at);
    if (at % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }`;

async function startWriter(args: readonly string[]) {
  const store = threadFile("history/history_store.js").href;
  const child = spawn(process.execPath, ["--input-type=module", "-e", WRITE, store, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let last = -1;
  child.stdout.on("data", (text: Buffer) => {
    last = Number(text.toString().trim().split("\n").at(-1));
  });
  return {
    untilSecond: (second: number) => expect.poll(() => last, { timeout: 30_000 }).toBeGreaterThan(second),
    async kill() {
      const over = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGKILL");
      await over;
    },
  };
}

function overwrite(file: string, offset: number, length: number): void {
  const script = `require("fs").writeSync(require("fs").openSync(${JSON.stringify(file)}, "r+"), Buffer.alloc(${length}), 0, ${length}, ${offset})`;
  spawnSync(process.execPath, ["-e", script]);
}

test("the compiled store is where the threads look for it", () => {
  expect(statSync(fileURLToPath(threadFile("history/history_thread.js"))).isFile()).toBe(true);
});
