import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PlanView } from "../protocol/plan_view.ts";
import { exampleState } from "./example_state_suite.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { OPERATING, runProgram } from "./program.ts";
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

  const examples = new URL("../../examples/", import.meta.url);
  const described = readdirSync(examples).filter((file) => file !== "vbal.yaml");

  test.each(described)(
    "examples/%s: nothing is promised twice, nothing is lost, vCPU 0 stays",
    async (file) => {
      const { code, out } = await check("plan", "--from", fileURLToPath(new URL(file, examples)), "--json");
      expect(code).toBe(EXIT_CODE.ok);
      const { domains, host } = JSON.parse(out) as PlanView;
      const due = domains.reduce((sum, { entitlementMilliPcpu }) => sum + entitlementMilliPcpu, 0);
      expect(due).toBeLessThanOrEqual(host.pcpus.length * 1000);
      const owners = new Map<number, Set<string>>();
      for (const { name, vcpus, target } of domains) {
        expect(vcpus.filter(({ online }) => online)).toHaveLength(target);
        expect(vcpus[0]).toMatchObject({ index: 0, online: true });
        for (const { online, pcpus } of vcpus) {
          for (const pcpu of online ? pcpus : []) owners.set(pcpu, (owners.get(pcpu) ?? new Set()).add(name));
        }
      }
      const named = (name: string): boolean =>
        [...owners.values()].some((some) => some.has(name) && some.size > 1);
      expect(domains.map(({ shared }) => shared)).toEqual(domains.map(({ name }) => named(name)));
    },
  );

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

describe("vbal plan --config", () => {
  test.each([
    [
      "libvirt",
      "{ kind: libvirt, uri: 'qemu+unix:///system?socket=/nowhere/s' }",
      /No connection to libvirt: .*\/nowhere\/s/,
    ],
    ["qmp", "{ kind: qmp, directory: /nowhere/qmp }", /cannot be read: .*\/nowhere\/qmp/],
  ])("a host that cannot be seen (%s) is told, by the program itself", async (kind, hypervisor, words) => {
    const file = written(`${kind}.yaml`, `hypervisor: ${hypervisor}\n`);
    // As a process of its own: what waits for libvirt does not keep one from ending, and the tests' own would go on.
    const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
    const ended = spawnSync(process.execPath, [main, "plan", "--config", file], { encoding: "utf8" });
    expect(ended).toMatchObject({
      status: EXIT_CODE.failed,
      stdout: "",
      stderr: expect.stringMatching(words),
    });
  });
});

describe("with a daemon", () => {
  const state = exampleState({
    pcpus: 2,
    domains: [{ name: "web", at: [0, null], reasons: [{ code: "share", text: "Its share is one pCPU." }] }],
  });
  const socket = join(folder, "control.sock");
  const changes: unknown[] = [];
  const daemon = createServer((request, response) => {
    if (request.method === "GET") return void response.end(JSON.stringify(state));
    request.on("data", (body: Buffer) => changes.push(request.url, JSON.parse(body.toString())));
    return void request.on("end", () => response.end('{"message":"web is set"}'));
  });
  beforeAll(() => new Promise<void>((resolve) => void daemon.listen(socket, resolve)));
  afterAll(() => void daemon.close());

  test.each<[args: string[], said: RegExp]>([
    [["status"], /^A {2}web +256 +1\.00 +1 +0 /m],
    [["status", "--ascii"], /#{8}\.\./],
    [["top", "--count", "2", "--interval", "0.1"], /^vbal[\s\S]*\n\nvbal/],
    [["explain", "web"], /Its share is one pCPU\./],
    [["set", "web", "weight=512", "vcpus.max=2"], /^web is set$/],
  ])("%j prints what the daemon says", async (args, said) => {
    const plain = await check(...args, "--control", socket);
    expect(plain).toEqual({ code: EXIT_CODE.ok, out: expect.stringMatching(said), err: "" });
  });

  test("--json prints the daemon's own data, `top` one value per line", async () => {
    expect(JSON.parse((await check("status", "--json", "--control", socket)).out)).toEqual(state);
    expect(JSON.parse((await check("explain", "web", "--json", "--control", socket)).out)).toEqual(
      state.domains[0],
    );
    const { out } = await check("top", "--json", "--count", "2", "--interval", "0.1", "--control", socket);
    expect(out.split("\n").map((line) => JSON.parse(line) as unknown)).toEqual([state, state]);
  });

  test("`set` sends fields as in the config file", () => {
    expect(changes).toEqual([
      "/v1/domains/web?by=somebody%20with%20vbal%20set",
      { weight: 512, vcpus: { max: 2 } },
    ]);
  });
});

describe("the command line", () => {
  test.each<[args: string[], code: number, said: RegExp]>([
    [["plna"], EXIT_CODE.usage, /`plna`\. Did you mean `plan`\?\nSee `vbal --help`$/],
    [["plan", "--form", "x"], EXIT_CODE.usage, /`--form`\. Did you mean `--from`\?\nSee `vbal plan --help`$/],
    [["top", "--interval", "0"], EXIT_CODE.usage, /0\.1/],
    [["set", "web"], EXIT_CODE.usage, /Say what to set, as in weight=512/],
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

  test("without a word says what it can do, and that this was no command", async () => {
    expect(await check()).toEqual({ code: EXIT_CODE.usage, out: "", err: (await check("--help")).out });
  });

  test.each([...OPERATING])(
    "%s, which is found without the simulator and the lab, is a command",
    async (name) => {
      expect((await check(name, "--help")).out).toContain(`vbal ${name}`);
    },
  );

  test("writes completions", async () => {
    expect((await check("completion", "bash")).out).toContain("vbal");
  });
});
