/** The doctor's judgement, fact by fact: each row changes one thing of a host on which all is well. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { DEFAULT_CONFIG } from "../../protocol/config.ts";
import type { DomainView, StateView } from "../../protocol/state_view.ts";
import { configChecks } from "./config_checks.ts";
import { guestChecks } from "./guest_checks.ts";
import { hostChecks } from "./host_checks.ts";
import { type HostFacts, readHostFacts } from "./host_facts.ts";

const WELL: HostFacts = {
  platform: "linux",
  kernel: "6.1.0",
  node: "20.19.0",
  pcpus: [0, 1, 2, 3].map((id) => ({ id, core: id, llc: 0, node: 0, online: true })),
  allowed: [0, 1, 2, 3],
  mayPin: true,
  hasSchedstat: true,
  cgroup: "v2",
  confined: [],
  numaBalancing: false,
  isolated: [],
  programs: new Set(["systemd", "libvirtd"]),
  qemus: 2,
};

const failing = (facts: HostFacts): string[] =>
  hostChecks(facts)
    .filter(({ ok }) => !ok)
    .map(({ id }) => id);

describe("a host", () => {
  test("on which all is well: nothing fails, and nothing is advised", () => {
    const checks = hostChecks(WELL);
    expect(checks.filter(({ ok, advice }) => !ok || advice !== "")).toEqual([]);
    expect(new Set(checks.map(({ id }) => id)).size).toBe(checks.length);
  });

  test.each<[string, Partial<HostFacts>, string[]]>([
    ["another system", { platform: "darwin" }, ["system"]],
    ["no right to pin", { mayPin: false }, ["permission"]],
    ["no waiting times", { hasSchedstat: false }, ["schedstat"]],
    ["kept off a pCPU that is online", { allowed: [0, 1, 2] }, ["affinity"]],
    ["confined machines", { confined: [{ cgroup: "machine.slice", pcpus: "0-1" }] }, ["cgroups"]],
    ["numad, which places processes too", { programs: new Set(["numad"]) }, ["placers"]],
  ])("%s", (_what, change, ids) => expect(failing({ ...WELL, ...change })).toEqual(ids));

  test.each<[string, Partial<HostFacts>, string, RegExp]>([
    ["irqbalance", { programs: new Set(["irqbalance"]) }, "interrupts", /IRQBALANCE_BANNED_CPULIST/],
    [
      "SMT",
      { pcpus: WELL.pcpus.map((pcpu) => ({ ...pcpu, core: pcpu.id >> 1 })) },
      "topology",
      /siblings of a core/,
    ],
    ["isolcpus", { isolated: [2, 3] }, "isolated", /shared domain/],
    ["NUMA balancing", { numaBalancing: true }, "numa-balancing", /kernel\.numa_balancing=0/],
  ])("%s is no fault, but worth a word", (_what, change, id, advice) => {
    expect(failing({ ...WELL, ...change })).toEqual([]);
    expect(hostChecks({ ...WELL, ...change }).find((check) => check.id === id)?.advice).toMatch(advice);
  });

  test("whatever fails says what to do", () => {
    const sick: HostFacts = { ...WELL, platform: "x", mayPin: false, hasSchedstat: false, allowed: [0] };
    expect(hostChecks(sick).filter(({ ok, advice }) => !ok && advice === "")).toEqual([]);
  });

  test("the facts of this machine can be read", () => {
    const facts = readHostFacts();
    expect(facts.pcpus.length).toBeGreaterThan(0);
    expect(facts.programs.size).toBeGreaterThan(0);
  });
});

describe("a config", () => {
  const folder = mkdtempSync(join(tmpdir(), "vbal-doctor-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("the folders and sockets that it names are looked at", () => {
    mkdirSync(join(folder, "qmp"));
    writeFileSync(join(folder, "file"), "");
    const config = {
      ...DEFAULT_CONFIG,
      journal: { ...DEFAULT_CONFIG.journal, path: join(folder, "state", "journal.jsonl") },
      control: { ...DEFAULT_CONFIG.control, socket: join(folder, "control.sock") },
      hypervisor: {
        kind: "qmp" as const,
        directory: join(folder, "qmp"),
        domains: [
          { name: "gone", qmp: join(folder, "gone.qmp"), agent: null, qga: null },
          { name: "odd", qmp: join(folder, "file"), agent: null, qga: null },
        ],
        spinLooks: null,
      },
    };
    const seen = configChecks(config).map(
      ({ ok, found }) => `${ok ? "ok" : "NO"} ${found.replaceAll(folder, "")}`,
    );
    expect(seen).toEqual([
      "ok The journal /state/journal.jsonl can be written",
      "ok The control socket /control.sock can be made",
      "ok QMP sockets are looked for in /qmp",
      "NO There is no QMP socket /gone.qmp",
      "NO /file is no socket",
    ]);
  });
});

test("libvirt of this system is looked for where it listens; one that is elsewhere is not", () => {
  const config = (uri: string) => ({ ...DEFAULT_CONFIG, hypervisor: { kind: "libvirt" as const, uri } });
  const ids = (uri: string) => configChecks(config(uri)).map(({ id }) => id);
  expect(ids("qemu:///system")).toContain("libvirt");
  expect(ids("qemu+ssh://other/system")).not.toContain("libvirt");
});

describe("guests", () => {
  test.each<[string, Partial<DomainView>, string[]]>([
    ["with our agent", {}, []],
    ["with the stock agent", { guestAgent: "qemu-guest-agent" }, []],
    ["without any", { guestAgent: null, cooperation: "silent" }, ["guest.web.agent"]],
    ["without any, and not managed", { guestAgent: null, managed: false }, []],
    ["paused, so silent", { guestAgent: null, cooperation: "paused" }, []],
    ["that does not follow", { cooperation: "stuck" }, ["guest.web.follows"]],
  ])("%s", (_what, change, ids) => {
    const checks = guestChecks({ domains: [{ ...WEB, ...change }] } as unknown as StateView);
    expect(checks.filter(({ ok }) => !ok).map(({ id }) => id)).toEqual(ids);
  });
});

const WEB = {
  name: "web",
  managed: true,
  guestAgent: "vbal-agent",
  cooperation: "active",
  online: 2,
  target: 1,
};
