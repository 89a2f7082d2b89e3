/** `vbal request` and `vbal agent-config` against the daemon itself, on a simulated host in real time. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DEFAULT_POLICY } from "../core/policy.ts";
import { startApiHere } from "../daemon/api/start_api_here.ts";
import { Daemon } from "../daemon/daemon.ts";
import type { History } from "../daemon/history/start_history.ts";
import { runInRealTime } from "../hypervisor/simulated/run_in_real_time.ts";
import { createSimulatedHost, type SimulatedHost } from "../hypervisor/simulated/simulated_host.ts";
import { DEFAULT_CONFIG } from "../protocol/config.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { runProgram } from "./program.ts";
import { PLAIN } from "./style.ts";

const NO_HISTORY: History = {
  keep: () => undefined,
  meters: { bytes: null, waiting: 0, leftOut: 0 },
  close: () => Promise.resolve(),
};

let folder: string;
let host: SimulatedHost;
let daemon: Daemon;
let stopTime: () => void;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "vbal-asking-"));
  host = createSimulatedHost({ pcpus: 4 });
  // Alone on the host, web has every vCPU that is there, and one more can be plugged.
  host.arrive({ id: "web", vcpus: 2, vcpusMax: 3, busyThreads: 3, hasMonitor: true });
  stopTime = runInRealTime(host);
  daemon = new Daemon({
    config: {
      ...DEFAULT_CONFIG,
      policy: DEFAULT_POLICY,
      interval: 50,
      journal: { ...DEFAULT_CONFIG.journal, path: join(folder, "journal.jsonl") },
      control: { ...DEFAULT_CONFIG.control, socket: join(folder, "control.sock") },
    },
    configFile: null,
    hypervisor: host.connect(),
    version: "test",
    log: () => undefined,
    threads: { startApi: startApiHere, startHistory: () => NO_HISTORY },
  });
  await daemon.start();
  await vi.waitUntil(() => daemon.view().domains[0]?.online === 2);
});

afterEach(async () => {
  await daemon.kill();
  stopTime();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a command line as in a pipe. */
async function check(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runProgram([...args, "--control", join(folder, "control.sock")], "1.2.3", {
    print: (text) => void out.push(text),
    printError: (text) => void err.push(text),
    isScreen: false,
    columns: () => 100,
    rows: () => 40,
    style: PLAIN,
    utcOffsetMinutes: 0,
    environment: { USER: "alice" },
  });
  return { code, out: out.join("\n"), err: err.join("\n") };
}

describe("vbal request", () => {
  test("waits for a vCPU that is plugged, and ends with 0 when it is granted", async () => {
    const { code, out } = await check("request", "web");
    expect({ code, out }).toEqual({
      code: EXIT_CODE.ok,
      out: expect.stringMatching(/^Granted: vCPU 2 of web\. /),
    });
    await expect.poll(() => daemon.view().domains[0]?.online).toBe(3);
    expect((await check("explain", "web")).out).toMatch(
      /Asked by a person: granted vCPU 2 after \d+ m?s, online after/,
    );
  });

  test("ends with 1 and the reason when it is denied, for people and for programs", async () => {
    const people = await check("request", "web", "--node", "7");
    expect(people).toMatchObject({
      code: EXIT_CODE.failed,
      out: "Denied: The guest has no virtual NUMA node 7; it has 0.",
    });
    const programs = await check("request", "web", "--node", "7", "--json");
    expect(programs.code).toBe(EXIT_CODE.failed);
    expect(JSON.parse(programs.out)).toMatchObject({ origin: "administrator", fate: "denied", node: 7 });
  });

  test.each([
    [["request", "wab"], EXIT_CODE.failed, /There is no domain "wab"\. Did you mean web\?/],
    [["request"], EXIT_CODE.usage, /See `vbal request --help`/],
    [["request", "web", "--node", "-1"], EXIT_CODE.usage, /node/],
    [["request", "web", "--node", "x"], EXIT_CODE.usage, /node/],
    [["request", "web", "--nod", "1"], EXIT_CODE.usage, /Did you mean `--node`\?/],
  ])("%j", async (args, code, words) => {
    const ended = await check(...args);
    expect({ code: ended.code, err: ended.err }).toEqual({ code, err: expect.stringMatching(words) });
  });
});

describe("vbal agent-config", () => {
  test("sets thresholds, shows who said so, and takes them back; the daemon knows who did it", async () => {
    expect((await check("agent-config", "web")).out).toContain("load monitor on, measures every 10 s");
    expect(await check("agent-config", "web", "vm.composite=1.5", "node.composite=none", "on=false")).toEqual(
      {
        code: EXIT_CODE.ok,
        out: "web is set",
        err: "",
      },
    );
    const shown = await check("agent-config", "web");
    expect(shown.out).toMatch(/load monitor off/);
    expect(shown.out).toMatch(/^vm\.composite +1\.5 +host/m);
    expect(shown.out).toMatch(/^node\.composite +none +host/m);
    const { domain, monitor } = JSON.parse((await check("agent-config", "web", "--json")).out) as {
      domain: string;
      monitor: { thresholds: object };
    };
    expect([domain, monitor.thresholds]).toEqual(["web", { "vm.composite": 1.5, "node.composite": null }]);
    expect((await check("status")).out).toContain("changed by alice with vbal agent-config");
    await check("agent-config", "web", "vm.composite=default", "node.composite=default", "on=default");
    expect(daemon.view().domains[0]?.monitor).toMatchObject({ on: true, thresholds: {} });
  });

  test.each([
    [["vm.compost=1"], /There is no field "vm\.compost" here\. Did you mean "vm\.composite"\?/],
    [["vm.compost=default"], /There is no field "vm\.compost" here/],
    [["vm.composite=-1"], /vm\.composite: A threshold is a number, 0 or more, not -1/],
    [["vm.composite=lots"], /vm\.composite: A threshold is a number/],
    [["vm.composite"], /"vm\.composite" is no MEASURE=VALUE\. Write it as in vm\.composite=1\.5/],
    [["on=perhaps"], /true or false must stand here/],
    [["__proto__=1"], /__proto__/],
  ])("%j is a wrong command line, and nothing is sent", async (assignments, words) => {
    const { code, err } = await check("agent-config", "web", ...assignments);
    expect({ code, err }).toEqual({ code: EXIT_CODE.usage, err: expect.stringMatching(words) });
    expect(daemon.view().domains[0]?.monitor?.thresholds).toEqual({});
  });

  test("a domain that is not there is told with the nearest name", async () => {
    expect(await check("agent-config", "wep")).toMatchObject({
      code: EXIT_CODE.failed,
      err: expect.stringContaining("Did you mean web?"),
    });
  });
});
