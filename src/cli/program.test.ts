import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import type { PlanView } from "../protocol/plan_view.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { runProgram } from "./program.ts";
import { PLAIN } from "./style.ts";

const folder = mkdtempSync(join(tmpdir(), "vbal-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a command line as in a pipe. */
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

function written(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const PAPER = fileURLToPath(new URL("../../examples/paper-12pcpu.yaml", import.meta.url));

describe("vbal plan --from", () => {
  test("gives the paper's example as JSON: 8 and 4 vCPUs on pCPUs 0-7 and 8-11 (B-5, B-6, B-7)", async () => {
    const { code, out, err } = await check("plan", "--from", PAPER, "--json");
    expect({ code, err }).toEqual({ code: EXIT_CODE.ok, err: "" });
    const plan = JSON.parse(out) as PlanView;
    const brief = plan.domains.map(({ name, entitlementMilliPcpu, target, vcpus, shared }) => ({
      name,
      entitlementMilliPcpu,
      target,
      onlineOn: vcpus.filter(({ online }) => online).map(({ pcpus }) => pcpus),
      shared,
    }));
    const each = (first: number, last: number): number[][] =>
      Array.from({ length: last - first + 1 }, (_, i) => [first + i]);
    expect(brief).toEqual([
      { name: "vm1", entitlementMilliPcpu: 8000, target: 8, onlineOn: each(0, 7), shared: false },
      { name: "vm2", entitlementMilliPcpu: 4000, target: 4, onlineOn: each(8, 11), shared: false },
    ]);
    expect(
      plan.domains.every(({ reasons }) =>
        reasons.every(({ code, text }) => code.length > 0 && text.length > 0),
      ),
    ).toBe(true);
    expect(plan.moves).toHaveLength(24);
  });

  test("a broken file ends with code 4 and every fault with its place, for people and for programs", async () => {
    const file = written(
      "broken.yaml",
      "host: { pcpus: 2 }\ndomains:\n  - { name: vm, weight: 0, vcpus: 1, cpa: 1 }\n",
    );
    const people = await check("plan", "--from", file);
    expect(people).toEqual({
      code: EXIT_CODE.badFile,
      out: "",
      err: [
        `${file}:3:25: domains[0].weight: A weight is a whole number from 1 to 65535, not 0. Write a larger number for a larger share; 256 is the usual one`,
        `${file}:3:38: domains[0].cpa: There is no field "cpa" here. Did you mean "cap"?`,
      ].join("\n"),
    });
    const programs = await check("plan", "--from", file, "--json");
    expect(programs.code).toBe(EXIT_CODE.badFile);
    expect(JSON.parse(programs.out)).toMatchObject({
      error: {
        kind: "badFile",
        exitCode: 4,
        faults: [
          { line: 3, column: 25 },
          { line: 3, column: 38 },
        ],
      },
    });
  });

  test("a file that is not there, or is a folder, is told as that", async () => {
    expect(await check("plan", "--from", join(folder, "none"))).toMatchObject({
      code: EXIT_CODE.badFile,
      err: expect.stringContaining("there is no such file. Check the path"),
    });
    expect((await check("plan", "--from", folder)).err).toContain("it is a folder. Name a file in it");
  });
});

describe("the command line", () => {
  test.each<[args: string[], code: number, said: RegExp]>([
    [["plna"], EXIT_CODE.usage, /plan/],
    [["plan", "--fron", "x"], EXIT_CODE.usage, /--fro/],
    [[], EXIT_CODE.usage, /./],
    [["top", "--interval", "0"], EXIT_CODE.usage, /0\.1/],
    [["set", "web"], EXIT_CODE.usage, /./],
    [["set", "web", "weight"], EXIT_CODE.usage, /"weight" is no FIELD=VALUE\. Write it as in weight=512/],
    [
      ["set", "web", "weight=0"],
      EXIT_CODE.usage,
      /weight: A weight is a whole number from 1 to 65535, not 0/,
    ],
    [["set", "web", "wieght=1"], EXIT_CODE.usage, /Did you mean "weight"\?/],
    [
      ["status", "--control", "/nowhere/s"],
      EXIT_CODE.noDaemon,
      /No daemon is running.*Start one with `vbal up`/,
    ],
    [["explain", "web", "--control", "/nowhere/s"], EXIT_CODE.noDaemon, /No daemon is running/],
    [["top", "--control", "/nowhere/s"], EXIT_CODE.noDaemon, /No daemon is running/],
    [["set", "web", "cap=none", "--control", "/nowhere/s"], EXIT_CODE.noDaemon, /No daemon is running/],
    [["plan", "--control", "/nowhere/s"], EXIT_CODE.noDaemon, /No daemon is running/],
  ])("%j ends with %d and says why", async (args, code, said) => {
    const plain = await check(...args);
    expect(plain).toMatchObject({ code, out: "", err: expect.stringMatching(said) });
    const json = await check(...args, "--json");
    expect(json).toMatchObject({ code, err: "" });
    expect(JSON.parse(json.out)).toMatchObject({ error: { exitCode: code } });
  });

  test("has a version, and help with examples for each command", async () => {
    expect(await check("--version")).toEqual({ code: EXIT_CODE.ok, out: "1.2.3", err: "" });
    const { code, out } = await check("--help");
    expect(code).toBe(EXIT_CODE.ok);
    expect(out).toContain(
      "Exit codes: 0 ok, 1 failed, 2 wrong command line, 3 no daemon, 4 wrong or unreadable file",
    );
    for (const name of ["status", "top", "plan", "explain", "set"]) {
      const help = await check(name, "--help");
      expect(help.code).toBe(EXIT_CODE.ok);
      expect(help.out).toMatch(new RegExp(`Examples:\\n +vbal ${name}`));
    }
  });

  test("writes completions", async () => {
    expect((await check("completion", "bash")).out).toContain("vbal");
  });
});
