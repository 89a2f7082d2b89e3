/** The daemon as people run it, on two real guests: it balloons and pins, survives kill -9, and leaves no trace. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Guest } from "./guest.ts";
import { type Lab, startLab } from "./lab.ts";
import {
  DaemonProcess,
  hasOneToItself,
  onlineInGuest,
  stateOf,
  threadPins,
  until,
  vcpuPins,
} from "./real_host_suite.ts";

let lab: Lab;
let a: Guest;
let b: Guest;
let daemon: DaemonProcess | null = null;
/** Where each thread might run when vbal came, and which vCPUs were online. */
let before: Map<Guest, { readonly pins: ReadonlyMap<string, string>; readonly online: string }>;

beforeAll(async () => {
  lab = await startLab({ dir: "daemon-test", restore: true });
  for (const file of ["journal.jsonl", "overrides.json"]) rmSync(join(lab.folder, file), { force: true });
  [a, b] = await Promise.all([
    lab.boot({ name: "a", vcpus: 2, agent: "vbal" }),
    lab.boot({ name: "b", vcpus: 2, agent: "vbal" }),
  ]);
  await Promise.all([a.waitReady(), b.waitReady()]);
  before = new Map();
  for (const guest of [a, b]) {
    before.set(guest, { pins: threadPins(guest), online: await onlineInGuest(guest) });
  }
});

afterEach(async () => {
  await daemon?.end("SIGKILL");
  daemon = null;
});

afterAll(async () => {
  await lab.down();
  for (const file of ["vbal.yaml", "journal.jsonl", "overrides.json", "control.sock"]) {
    rmSync(join(lab.folder, file), { force: true });
  }
});

function up(): DaemonProcess {
  const config = join(lab.folder, "vbal.yaml");
  const socket = join(lab.folder, "control.sock");
  writeFileSync(
    config,
    [
      "mode: enforce",
      'pool: "0-1"',
      "hypervisor: { kind: qmp, directory: . }",
      "journal: { path: journal.jsonl }",
      "control: { socket: control.sock }",
    ].join("\n"),
  );
  daemon = new DaemonProcess({ config, socket });
  return daemon;
}

/** Each has one pCPU to itself, its emulator's threads too (B-18), and uses one vCPU. */
function divided(): Promise<boolean> {
  return until(
    "each guest has one pCPU to itself",
    async () => (await hasOneToItself(a, [b])) && (await hasOneToItself(b, [a])),
    (yes) => yes,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${daemon?.output ?? ""}`);
  });
}

/** Threads that were there before may run where they might, and the guests use what they used. */
async function expectAsFound(): Promise<void> {
  for (const guest of [a, b]) {
    const found = before.get(guest)!;
    const now = threadPins(guest);
    const still = [...found.pins].filter(([thread]) => now.has(thread));
    expect(still.map(([thread]) => [thread, now.get(thread)])).toEqual(still);
    expect(new Set(now.values())).toEqual(new Set(found.pins.values()));
    expect(await onlineInGuest(guest)).toBe(found.online);
  }
}

describe("vbal up", () => {
  test("B-5..B-8: equal weights on two pCPUs: one vCPU each, a pCPU each; SIGTERM puts everything back", async () => {
    const vbal = up();
    await divided();
    expect(await vbal.end("SIGTERM")).toBe(0);
    await expectAsFound();
    expect(vbal.output).toContain("a: put back as it was found");
  });

  test("kill -9 in the middle of a rebalance: the guests go on, a restart converges, a stop restores what was found first", async () => {
    const first = up();
    await divided();
    // Which of the two it is hangs on who was heard first.
    const [had] = (await vcpuPins(a))[0]!;
    // b is let go: a is given its pCPU and its second vCPU. Whatever of it was done when the kill comes, was done.
    await first.set("b", { managed: false });
    await until(
      "something is under way",
      async () => await vcpuPins(b),
      (pins) => pins[0]?.length === 2,
    );
    expect(await first.end("SIGKILL")).toBe(null);
    expect(await Promise.all([a.output(["uname"]), b.output(["uname"])])).toEqual(["Linux", "Linux"]);

    const second = up();
    await until(
      "it took control again",
      () => second.state(),
      ({ domains }) => domains.every(({ online }) => online !== null),
    );
    await until(
      "a has both",
      async () => `${await onlineInGuest(a)} ${JSON.stringify(await vcpuPins(a))}`,
      // It keeps the one that it had.
      (seen) => seen === `0-1 [[${had}],[${1 - had!}]]`,
    );
    await second.set("b", { managed: "default" });
    await divided();
    expect(await second.end("SIGKILL")).toBe(null);

    const third = up();
    await until(
      "it took control",
      () => third.state(),
      ({ domains }) => domains.length === 2,
    );
    expect(await third.end("SIGTERM")).toBe(0);
    await expectAsFound();
  });

  test("a restart after kill -9 touches nothing that is right", async () => {
    const first = up();
    await divided();
    await first.end("SIGKILL");
    const there = [await stateOf(a), await stateOf(b)];
    const second = up();
    const view = await until(
      "the guests are heard",
      () => second.state(),
      ({ domains }) => domains.length === 2 && domains.every(({ online }) => online === 1),
    );
    expect([await stateOf(a), await stateOf(b)]).toEqual(there);
    const did = view.notes
      .map(({ code }) => code)
      .filter((code) => !["guest-heard", "target-reached"].includes(code));
    expect(did).toEqual([]);
    expect(view.domains.map(({ pending }) => pending)).toEqual([[], []]);
    await second.end("SIGTERM");
    await expectAsFound();
  });

  test("B-9: a third guest arrives and is given a place; it leaves, and the others have theirs back", async () => {
    const vbal = up();
    await divided();
    const c = await lab.boot({ name: "c", vcpus: 1 });
    const view = await until(
      "c is placed",
      () => vbal.state(),
      ({ domains }) => domains.find(({ name }) => name === "c")?.vcpus[0]?.pcpus?.length === 1,
    );
    expect(view.domains.map(({ name, online }) => [name, online])).toEqual([
      ["a", 1],
      ["b", 1],
      ["c", null],
    ]);
    expect(view.domains.some(({ sharesWith }) => sharesWith.includes("c"))).toBe(true);
    await c.stop();
    await divided();
    expect(vbal.output).toContain("c departed");
    expect(await vbal.end("SIGTERM")).toBe(0);
    await expectAsFound();
  });
});
