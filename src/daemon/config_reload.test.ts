/** The config file while the daemon runs, and the state that it shows; on a described host, in real time. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { parseConfig } from "../protocol/config.ts";
import { Daemon } from "./daemon.ts";
import { openHypervisor } from "./open_hypervisor.ts";

let folder: string;
let file: string;
let daemon: Daemon;
const log: string[] = [];

const FIXED = [
  "mode: enforce",
  "hypervisor: { kind: simulated, from: host.yaml }",
  "journal: { path: journal.jsonl }",
  "control: { socket: control.sock }",
];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "vbal-reload-test-"));
  file = join(folder, "vbal.yaml");
  log.length = 0;
  writeFileSync(
    join(folder, "host.yaml"),
    [
      "host: { pcpus: 12 }",
      "domains:",
      "  - { name: vm1, weight: 512, vcpus: 12, online: 11 }",
      "  - { name: vm2, weight: 256, vcpus: 12, agent: none }",
    ].join("\n"),
  );
  edit([]);
  const parsed = parseConfig({ file, text: FIXED.join("\n"), measures: [] });
  if ("errors" in parsed) throw new Error(JSON.stringify(parsed.errors));
  daemon = new Daemon({
    config: parsed.config,
    configFile: file,
    ...openHypervisor(parsed.config),
    version: "test",
    log: ({ text }) => log.push(text),
  });
  await daemon.start();
});

afterEach(async () => {
  await daemon.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** As an editor does: a new file in the old one's place. */
function edit(lines: readonly string[]): void {
  writeFileSync(`${file}.edited`, [...FIXED, ...lines].join("\n"));
  renameSync(`${file}.edited`, file);
}

function weightOf(name: string): number | undefined {
  return daemon.view().domains.find((domain) => domain.name === name)?.weight;
}

test("B-6: a described host brings its own weights; the config's domains lie over them, what was set over both", async () => {
  const view = daemon.view();
  expect(view.domains.map(({ name, weight, target }) => ({ name, weight, target }))).toEqual([
    { name: "vm1", weight: 512, target: 8 },
    { name: "vm2", weight: 256, target: 12 },
  ]);
  expect(view).toMatchObject({ version: 1, daemon: { mode: "controlling", hypervisor: "simulated" } });
  expect(view.domains[1]).toMatchObject({ cooperation: "silent", online: null, guestAgent: null });
  edit(["domains: { vm2: { weight: 512 } }"]);
  expect(daemon.reload()).toEqual({ ok: true, message: `${file} is in force` });
  expect([weightOf("vm1"), weightOf("vm2")]).toEqual([512, 512]);
  expect(daemon.setDomain("vm2", { weight: 100 })).toEqual({ ok: true, message: "vm2 is set" });
  expect(weightOf("vm2")).toBe(100);
});

test("an edit is noticed by itself", async () => {
  edit(["domains: { vm1: { weight: 300 } }"]);
  await vi.waitFor(() => expect(weightOf("vm1")).toBe(300), { timeout: 10_000 });
});

test("a bad edit keeps the old version and says where and why; a good one afterwards is told too", () => {
  edit(["domains: { vm1: { wieght: 300 } }"]);
  const refused = daemon.reload();
  expect(refused).toEqual({
    ok: false,
    errors: [
      expect.stringMatching(
        /vbal\.yaml:5:19: domains\.vm1\.wieght: There is no field "wieght" here\. Did you mean "weight"\?/,
      ),
    ],
  });
  expect(weightOf("vm1")).toBe(512);
  expect(log.join("\n")).toMatch(/vbal\.yaml was not taken, the earlier version stays in force:/);
  expect(daemon.view().daemon.configProblem).toMatch(/wieght/);
  edit(["domains: { vm1: { weight: 300 } }"]);
  expect(daemon.reload().ok).toBe(true);
  expect(log.join("\n")).toMatch(/vbal\.yaml is in force again/);
  expect(daemon.view().daemon.configProblem).toBe(null);
});

test("a file that was deleted keeps the old version too", () => {
  rmSync(file);
  expect(daemon.reload()).toEqual({ ok: false, errors: [expect.stringMatching(/cannot be read: .*ENOENT/)] });
  expect(weightOf("vm1")).toBe(512);
});

test("a change of what is read once is told to need a restart", () => {
  edit(["interval: 3s"]);
  expect(daemon.reload().ok).toBe(true);
  expect(log.join("\n")).toMatch(/Changes of interval take effect after a restart/);
});
