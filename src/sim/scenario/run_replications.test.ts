/** Replications on worker threads: any number of workers gives the same bytes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runReplications } from "./run_replications.ts";
import { parseScenario, type Scenario } from "./scenario.ts";

const folder = mkdtempSync(join(tmpdir(), "vbal-workers-"));
const workerFile = pathToFileURL(join(folder, "worker.mjs"));
beforeAll(async () => {
  // Threads cannot run TypeScript on every Node that we support.
  const entry = join(import.meta.dirname, "replication_worker.ts");
  await build({
    entryPoints: [entry],
    outfile: join(folder, "worker.mjs"),
    bundle: true,
    platform: "node",
    format: "esm",
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

function scenarioOf(more: object = {}): Scenario {
  const text = JSON.stringify({
    why: "a run each",
    replications: 7,
    until: "20ms",
    machine: { pcpus: 3 },
    host: { scheduler: "cfs" },
    domains: ["a", "b"].map((name) => ({ name, vcpus: 3, workload: { name: "spinlock" } })),
    ...more,
  });
  const parsed = parseScenario({ file: "s.json", text }, () => "");
  if ("faults" in parsed) throw new Error("The scenario is broken");
  return parsed.value;
}

test("1, 2 and 3 workers give byte-identical rows, in the order of their replications", async () => {
  const [one, two, three] = await Promise.all(
    [1, 2, 3].map(async (workers) =>
      JSON.stringify(await runReplications(scenarioOf(), { workers, workerFile, commit: "abc" })),
    ),
  );
  expect(two).toBe(one);
  expect(three).toBe(one);
  expect((JSON.parse(one!) as { replication: number }[]).map(({ replication }) => replication)).toEqual([
    0, 1, 2, 3, 4, 5, 6,
  ]);
});

test("progress counts up to the end", async () => {
  const told: string[] = [];
  const onProgress = (done: number, of: number): void => void told.push(`${done}/${of}`);
  await runReplications(scenarioOf({ replications: 3 }), {
    workers: 2,
    workerFile,
    commit: null,
    onProgress,
  });
  expect(told).toEqual(["1/3", "2/3", "3/3"]);
});

test("what goes wrong in a worker reaches the caller", async () => {
  const scenario = scenarioOf();
  const broken: Scenario = {
    ...scenario,
    config: { ...scenario.config, domains: [{ ...scenario.config.domains[0]!, vcpus: 0 }] },
  };
  await expect(runReplications(broken, { workers: 2, workerFile, commit: null })).rejects.toThrow(
    "Domain a: vcpus must be a positive integer, not 0",
  );
});
