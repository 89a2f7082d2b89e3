/** Sweeps as processes: killed with SIGKILL at random moments, on any number of workers, the same bytes come out. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { parquetReadObjects } from "hyparquet";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bits, keyOf, uniform } from "../../sim/engine/draw.ts";

const folder = mkdtempSync(join(tmpdir(), "vbal-sweep-"));
const workerFile = join(folder, "worker.mjs");
const processFile = join(folder, "process.mjs");
const study = join(folder, "study.yaml");

beforeAll(async () => {
  // Threads and processes cannot run TypeScript on every Node that we support.
  const bundle = async (entry: string, outfile: string) =>
    await build({
      entryPoints: [join(import.meta.dirname, entry)],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      banner: {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
      },
    });
  await bundle("../runs/run_worker.ts", workerFile);
  await bundle("sweep_process_suite.ts", processFile);
  writeFileSync(
    join(folder, "scenario.yaml"),
    `why: two guests that fight for a lock
until: 250ms
machine: { pcpus: 4 }
host: { scheduler: credit }
domains:
  - { name: a, vcpus: 4, workload: spinlock }
  - { name: b, vcpus: 4, workload: { name: mm, scale: 2 } }
`,
  );
  writeFileSync(
    study,
    `why: slices and schedulers
scenario: scenario.yaml
replications: 6
phase: 30ms
vary:
  - host.scheduler: [credit, cfs, { kind: eevdf, slice: 2ms }]
  - machine.costs.vcpuSwitch: { from: 1us, to: 9us, steps: 3 }
  - domains.*.vcpus: [2, 4]
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

const RUNS = 3 * 3 * 2 * 6;
const KILLS_MAX = 8;

/** Resolves when it has ended; kills it after `killAfterMs`, and says whether it came to its end by itself. */
async function run(out: string, workers: number, killAfterMs?: number): Promise<boolean> {
  const child = spawn(process.execPath, [processFile, study, out, String(workers), workerFile], {
    stdio: "inherit",
  });
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  const code = await new Promise<number | null>((resolve) => child.on("exit", resolve));
  clearTimeout(timer);
  return code === 0;
}

function fresh(name: string): string {
  const out = join(folder, name);
  mkdirSync(out);
  return out;
}

const bytesOf = (out: string) =>
  ["results.csv", "results.parquet", "manifest.json"].map((file) =>
    readFileSync(join(out, file)).toString("base64"),
  );
/** The keys in the log, without its first line; none before there is a log. */
const keysOf = (out: string) =>
  (existsSync(join(out, "runs.log")) ? readFileSync(join(out, "runs.log"), "latin1") : "")
    .split("\n")
    .slice(1)
    .filter((line) => line.endsWith("}}"))
    .map((line) => (JSON.parse(line.slice(9)) as { key: string }).key);

describe("a sweep", () => {
  test("is byte-identical for 1 and 3 workers, and for one that is killed again and again; no run is made twice", async () => {
    const [one, three, killed] = [fresh("one"), fresh("three"), fresh("killed")];
    expect(await run(one, 1)).toBe(true);
    expect(await run(three, 3)).toBe(true);
    let kills = 0;
    let isDone = false;
    while (!isDone) {
      const before = kills === 0 ? [] : keysOf(killed);
      // From before its first run to late in the work; moments differ with the machine, the result must not. After
      // many kills it is left alone: on a slow machine a process may never get to its first run.
      const killAfterMs = 150 + Math.floor(uniform(bits(keyOf(kills), 0)) * 500);
      isDone = await run(killed, 2, kills < KILLS_MAX ? killAfterMs : undefined);
      expect(keysOf(killed).slice(0, before.length)).toEqual(before);
      if (!isDone) kills++;
    }
    expect(kills).toBeGreaterThan(0);
    expect(bytesOf(three)).toEqual(bytesOf(one));
    expect(bytesOf(killed)).toEqual(bytesOf(one));
    const keys = keysOf(killed);
    expect(keys).toHaveLength(RUNS);
    expect(new Set(keys).size).toBe(RUNS);
  });

  test("a line cut short by a kill is cut off and run again; safeguard: what a checksum refuses is never read", async () => {
    const out = fresh("torn");
    await run(out, 2);
    const whole = bytesOf(out);
    const log = readFileSync(join(out, "runs.log"), "latin1");
    writeFileSync(join(out, "runs.log"), log.slice(0, -57), "latin1");
    expect(await run(out, 2)).toBe(true);
    expect(bytesOf(out)).toEqual(whole);
    expect(new Set(keysOf(out)).size).toBe(RUNS);
    // One digit of a result is changed in the middle: that line and all behind it are made anew.
    const middle = log.indexOf('"events":', log.length / 2) + '"events":'.length;
    writeFileSync(join(out, "runs.log"), `${log.slice(0, middle)}9${log.slice(middle + 1)}`, "latin1");
    expect(await run(out, 2)).toBe(true);
    expect(bytesOf(out)).toEqual(whole);
  });

  test("Parquet holds what CSV holds", async () => {
    const out = join(folder, "one");
    const file = readFileSync(join(out, "results.parquet"));
    const buffer = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
    const rows = await parquetReadObjects({ file: buffer as ArrayBuffer });
    const [head, ...lines] = readFileSync(join(out, "results.csv"), "utf8").trimEnd().split("\n");
    expect(rows).toHaveLength(lines.length);
    expect(lines).toHaveLength(RUNS);
    const names = head!.split(",");
    const events = names.indexOf("events");
    // Columns before `events` hold no comma but in a quoted value, which begins with a quote.
    lines.forEach((line, i) => {
      const cells = line.match(/("([^"]|"")*"|[^,]*)(,|$)/g)!.map((cell) => cell.replace(/,$/, ""));
      expect(Number(cells[events])).toBe(rows[i]!["events"]);
      expect(cells[names.indexOf("digest")]).toBe(rows[i]!["digest"]);
    });
    expect(rows[0]!["vary:machine.costs.vcpuSwitch"]).toBe("1000ns");
  });
});
