/** What an administrator who is careful sees: observing first, enforcing as a decision, pauses, opting out. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { Policy } from "../core/policy.ts";
import { DaemonWorld } from "./daemon_world_suite.ts";

let world: DaemonWorld;
afterEach(() => world.dispose());

async function start(policy: Partial<Policy>): Promise<void> {
  world = new DaemonWorld({ pcpus: 4, policy });
  world.host.arrive({ id: "a", vcpus: 4 });
  world.host.arrive({ id: "b", vcpus: 4 });
  await world.start();
  await world.pass(3_000);
}

const pendingOf = (name: string) =>
  world.daemon.view().domains.find((domain) => domain.name === name)?.pending;
const isChanged = () => world.daemon.view().domains.map(({ changed }) => changed === true);

test("observing: nothing is touched; the view says so, has the plan, and names what would be done", async () => {
  await start({ mode: "observe" });
  const before = await world.truth();
  const { daemon, domains } = world.daemon.view();
  expect(daemon.mode).toBe("observing");
  expect(domains.map(({ name, target, online }) => [name, target, online])).toEqual([
    ["a", 2, 4],
    ["b", 2, 4],
  ]);
  expect(pendingOf("b")).toContain("Ask the guest to use vCPUs 0-1");
  expect(isChanged()).toEqual([false, false]);
  expect(world.texts.join("\n")).toMatch(/Observing only: nothing is changed, .* `mode: enforce`/);
  expect(await world.pins("a")).toEqual(Array(4).fill([0, 1, 2, 3]));
  expect(await world.stop()).toEqual([]);
  expect(await world.truth()).toEqual(before);
});

test("a pause holds everything, over a restart too, and resuming goes on from how things are", async () => {
  await start({});
  expect(world.daemon.setPaused(true, "test")).toMatchObject({ ok: true });
  expect(world.daemon.view().daemon.mode).toBe("paused");
  world.host.depart("b");
  await world.pass(10_000);
  expect(await world.online("a")).toEqual([0, 1]);
  expect(pendingOf("a")).toContain("Pin vCPU 2 to pCPU 2");

  await world.kill();
  await world.start();
  await world.pass(10_000);
  expect(world.daemon.view().daemon.mode).toBe("paused");
  expect(world.texts.join("\n")).toContain("until `vbal resume`");
  expect(await world.online("a")).toEqual([0, 1]);

  expect(world.daemon.setPaused(false, "test")).toEqual({ ok: true, message: "Resumed" });
  await world.pass(5_000);
  expect(await world.online("a")).toEqual([0, 1, 2, 3]);
  expect(existsSync(join(world.folder, "paused.json"))).toBe(false);
  expect(world.daemon.view().notes.map(({ text }) => text)).toContain("Resumed by test");
});

test("pausing twice and resuming twice say so, and change nothing", async () => {
  await start({});
  expect(world.daemon.setPaused(false, "x")).toEqual({ ok: true, message: "It is not paused" });
  world.daemon.setPaused(true, "x");
  expect(world.daemon.setPaused(true, "x")).toEqual({ ok: true, message: "It is paused already" });
});

test("pitfalls 19, 20: a released domain is as it was found, is left alone, and is taken again when it is adopted", async () => {
  await start({});
  expect(isChanged()).toEqual([true, true]);
  world.daemon.setDomain("a", { managed: false });
  await world.pass(5_000);
  expect(isChanged()).toEqual([false, true]);
  expect(await world.online("a")).toEqual([0, 1, 2, 3]);
  expect(await world.pins("a")).toEqual(Array(4).fill([0, 1, 2, 3]));
  world.daemon.setDomain("a", { managed: "default" });
  await world.pass(5_000);
  expect(await world.online("a")).toEqual([0, 1]);
});
