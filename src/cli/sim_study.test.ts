/** `vbal sim reproduce` and `vbal sim sweep` as in a pipe: claims and pictures, rows and files, and what is said about slips. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Claim } from "../study/reproduce/claim.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { runProgram } from "./program.ts";
import { PLAIN } from "./style.ts";

const folder = mkdtempSync(join(tmpdir(), "vbal-study-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** One worker is the calling thread, which needs no compiled worker. */
async function check(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runProgram([...args, "--workers", "1"], "1.2.3", {
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

describe("vbal sim reproduce", () => {
  const out = join(folder, "report");

  test("a figure: its claims as JSON, with ids, bands and verdicts; the report with pictures and their numbers", async () => {
    const run = await check("sim", "reproduce", "--quick", "--without-probes", "--json", "1", "--out", out);
    expect(run.code).toBe(EXIT_CODE.ok);
    const { claims } = JSON.parse(run.out) as { claims: Claim[] };
    expect(claims.map(({ id, published }) => [id, published])).toEqual([
      ["V-B1", 2.6],
      ["V-B2", 2.1],
      ["V-B3", 5.2],
      ["V-B4", 16.7],
    ]);
    for (const { predicted, ci95, band, inside } of claims) {
      const [low, high] = ci95!;
      expect(low <= predicted! && predicted! <= high).toBe(true);
      expect(inside).toBe(band[0]! <= low && high <= band[1]!);
    }
    const page = readFileSync(join(out, "report.html"), "utf8");
    expect(page).toContain('<figure id="figure-1-time"><svg');
    expect(page).not.toMatch(/NaN|undefined|<script/);
    const numbers = readFileSync(join(out, "figure-1-time.csv"), "utf8").split("\n");
    expect(numbers[0]).toBe("group,series,value,low,high,n,published");
    // Pictures need a font; a machine without it is told so.
    const pngs = readdirSync(out).filter((file) => file.endsWith(".png"));
    expect(pngs.length > 0 || run.err.includes("DejaVu Sans is not installed")).toBe(true);
    expect(pngs.map((file) => readFileSync(join(out, file)).subarray(1, 4).toString())).toEqual(
      pngs.map(() => "PNG"),
    );
  });

  test("again in the same folder: nothing is run again, and the same comes out", async () => {
    const logs = readdirSync(out).filter((file) => file.endsWith(".log"));
    expect(logs).toHaveLength(1);
    const log = readFileSync(join(out, logs[0]!), "latin1");
    const before = readFileSync(join(out, "claims.json"), "utf8");
    await check("sim", "reproduce", "--quick", "--without-probes", "1", "--out", out);
    expect(readFileSync(join(out, logs[0]!), "latin1")).toBe(log);
    expect(readFileSync(join(out, "claims.json"), "utf8")).toBe(before);
  });

  test("slips: a figure that there is not; a validation page of a part", async () => {
    expect((await check("sim", "reproduce", "99")).code).toBe(EXIT_CODE.usage);
    const part = await check("sim", "reproduce", "1", "--validation", join(folder, "v.md"));
    expect(part.code).toBe(EXIT_CODE.usage);
    expect(part.err).toContain("The validation page needs all figures");
    expect(existsSync(join(folder, "v.md"))).toBe(false);
  });
});

describe("vbal sim sweep", () => {
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  write(
    "scenario.yaml",
    `why: a lock
until: 5ms
machine: { pcpus: 2 }
host: { scheduler: credit }
domains: [{ name: a, vcpus: 2, workload: spinlock }]
`,
  );

  test("a row per run, in the order of cases; the manifest names the files it vouches for", async () => {
    const study = write(
      "study.yaml",
      "why: weights\nscenario: scenario.yaml\nreplications: 2\nvary: [{ domains.a.weight: [1, 2, 3] }]",
    );
    const out = join(folder, "swept");
    const run = await check("sim", "sweep", study, "--out", out);
    expect(run.code).toBe(EXIT_CODE.ok);
    expect(run.out).toContain("6 runs (3 cases of 2)");
    const lines = readFileSync(join(out, "results.csv"), "utf8").trimEnd().split("\n");
    expect(lines.slice(1).map((line) => line.split(",").slice(0, 3).join())).toEqual([
      "study,0,1",
      "study,0,1",
      "study,1,2",
      "study,1,2",
      "study,2,3",
      "study,2,3",
    ]);
    const manifest = JSON.parse(readFileSync(join(out, "manifest.json"), "utf8")) as Record<string, unknown>;
    expect(manifest).toMatchObject({
      format: "vbal-sweep",
      study: "study",
      runs: 6,
      seeds: [1],
      replications: 2,
    });
  });

  test("a slip in a study: its place, exit code 4", async () => {
    const study = write(
      "broken.yaml",
      "why: weights\nscenario: scenario.yaml\nvary: [{ domains.a.wight: [1] }]",
    );
    const run = await check("sim", "sweep", study, "--out", join(folder, "never"));
    expect(run.code).toBe(EXIT_CODE.badFile);
    expect(run.err).toContain(
      "broken.yaml:3:28: vary[0].domains.a.wight[0]: In the scenario, at domains[0].wight",
    );
    expect(run.err).toContain('Did you mean "weight"?');
    expect(existsSync(join(folder, "never"))).toBe(false);
  });
});
