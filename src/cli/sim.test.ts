/** `vbal sim` as in a pipe: tables, rows, timelines, and what is said about wrong command lines and files. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import type { RunRow } from "../sim/output/run_row.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { runProgram } from "./program.ts";
import { PLAIN } from "./style.ts";

const folder = mkdtempSync(join(tmpdir(), "vbal-sim-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function check(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runProgram(args, "1.2.3", {
    print: (text) => void out.push(text),
    printError: (text) => void err.push(text),
    isScreen: false,
    columns: () => 100,
    rows: () => 40,
    style: PLAIN,
    utcOffsetMinutes: 0,
    environment: {},
  });
  return { code, out: out.join("\n"), err: err.join("\n") };
}

const shipped = (name: string): string =>
  fileURLToPath(new URL(`../../scenarios/${name}.yaml`, import.meta.url));
const LHP = shipped("lock-holder-preemption");

describe("vbal sim run", () => {
  test("prints a table: each domain's work and what held it up", async () => {
    const { code, out, err } = await check("sim", "run", shipped("gangs-8-on-12"));
    expect({ code, err }).toEqual({ code: EXIT_CODE.ok, err: "" });
    expect(out).toMatch(/^gangs-8-on-12\nStrict gangs of 8 on 12 pCPUs/);
    expect(out).toMatch(/^a +inline +- +2800 +35\.0% +0\.0% +0\.0% +65\.0% +0\.0%$/m);
    expect(out).toContain("strict-co on 12 pCPUs, 66.7% in use");
  });

  test("--json prints one row per run on a line of its own; --seed and --replications take their place in it", async () => {
    const { out } = await check(
      "sim",
      "run",
      LHP,
      "--json",
      "--seed",
      "9",
      "--replications",
      "2",
      "--workers",
      "1",
      "--commit",
      "abc",
    );
    const rows = out.split("\n").map((line) => JSON.parse(line) as RunRow);
    expect(
      rows.map(({ seed, replication, commit, policy }) => ({ seed, replication, commit, policy })),
    ).toEqual([
      { seed: 9, replication: 0, commit: "abc", policy: "credit" },
      { seed: 9, replication: 1, commit: "abc", policy: "credit" },
    ]);
    expect(rows[0]!.domains["locks"]!.threads).toHaveLength(4);
    expect(rows[0]!.digest).toMatch(/^[0-9a-f]{8}$/);
  });

  test("--csv prints a header and a line per run, each with as many cells", async () => {
    const { out } = await check("sim", "run", LHP, "--csv");
    const lines = out.split("\n").map((line) => line.split(","));
    expect(lines).toHaveLength(2);
    expect(lines[1]).toHaveLength(lines[0]!.length);
    expect(lines[0]).toEqual(
      expect.arrayContaining(["configHash", "seed", "digest", "domains.locks.causesNs.spin"]),
    );
  });

  test("a broken file: its faults with line and column, exit code 4", async () => {
    const file = join(folder, "broken.yaml");
    writeFileSync(file, readFileSync(LHP, "utf8").replace("vcpus: 4", "vcpus: four"));
    const { code, err } = await check("sim", "run", file);
    expect(code).toBe(EXIT_CODE.badFile);
    expect(err).toMatch(
      /broken\.yaml:7:12: domains\[0\]\.vcpus: The number of vCPUs is a whole number from 1 to 4096, not "four"/,
    );
  });

  test("what the engine refuses while it runs is a sentence", async () => {
    const file = join(folder, "endless.yaml");
    const program = [{ do: "repeat", body: ["push", "pop"].map((step) => ({ do: step, queue: "q" })) }];
    const workload = { queues: { q: { capacity: 2 } }, tasks: [{ count: 1, program }] };
    const domains = [{ name: "a", vcpus: 1, workload }];
    const world = { until: "1ms", machine: { pcpus: 1 }, host: { scheduler: "credit" }, domains };
    writeFileSync(file, JSON.stringify({ why: "no time passes", ...world }));
    const { code, err } = await check("sim", "run", file);
    expect(code).toBe(EXIT_CODE.failed);
    expect(err).toMatch(/without any time passing/);
  });
});

describe("vbal sim trace", () => {
  test("writes a timeline and a picture of the window", async () => {
    const [out, svg] = [join(folder, "t.pftrace"), join(folder, "t.svg")];
    const { code, out: told } = await check(
      "sim",
      "trace",
      LHP,
      "--out",
      out,
      "--svg",
      svg,
      "--from",
      "60ms",
      "--to",
      "120ms",
      "--json",
    );
    expect(code).toBe(EXIT_CODE.ok);
    expect(JSON.parse(told)).toMatchObject({ out, svg, from: 60_000_000, to: 120_000_000 });
    expect(readFileSync(out).length).toBeGreaterThan(10_000);
    expect(readFileSync(svg, "utf8")).toContain("spins, the holder is preempted");
  });

  test.each([
    { what: "nothing to write", args: [], says: "Name a file to write" },
    {
      what: "a time without unit",
      args: ["--svg", "x.svg", "--to", "20"],
      says: "--to needs a time with its unit",
    },
    {
      what: "a window backwards",
      args: ["--svg", "x.svg", "--from", "2s"],
      says: "--to (100ms) must come after --from (2s)",
    },
  ])("$what: a wrong command line", async ({ args, says }) => {
    const { code, err } = await check("sim", "trace", LHP, ...args);
    expect(code).toBe(EXIT_CODE.usage);
    expect(err).toContain(says);
  });

  test("a window after the end of the run fails and says when the run was over", async () => {
    const { code, err } = await check(
      "sim",
      "trace",
      LHP,
      "--svg",
      join(folder, "x.svg"),
      "--from",
      "300ms",
      "--to",
      "400ms",
    );
    expect(code).toBe(EXIT_CODE.failed);
    expect(err).toContain("The run is over at 200000000 ns");
  });
});

test("vbal sim list names every scenario with its why, and as JSON the source of every number", async () => {
  expect((await check("sim", "list")).out).toContain("M/M/1 at load 0.8");
  const list = JSON.parse((await check("sim", "list", "--json")).out) as {
    scenarios: unknown[];
    schedulers: string[];
    workloads: { parameters: Record<string, { source: string }> }[];
  };
  expect(list.scenarios.length).toBeGreaterThanOrEqual(10);
  expect(list.schedulers).toContain("credit");
  expect(
    list.workloads.every(({ parameters }) => Object.values(parameters).every(({ source }) => source !== "")),
  ).toBe(true);
});
