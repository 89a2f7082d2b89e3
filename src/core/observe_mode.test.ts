/** `mode: observe`: everything is planned and said, and nothing is done. */
import { expect, test } from "vitest";
import { TestWorld } from "./test_world_suite.ts";
import { wouldDo } from "./would_do.ts";

const observing = () =>
  new TestWorld(4, { mode: "observe" }).arrive("a", { vcpus: 4 }).arrive("b", { vcpus: 4, asks: true });

test("nothing is given out, however long it lasts, and a clean stop has nothing to put back", () => {
  const world = observing().pass(120_000);
  world.play({ kind: "release" });
  world.pass(5_000);
  expect(world.log).toEqual([]);
  expect(world.state.domains.map(({ touched }) => touched)).toEqual([false, false]);
});

test("the plan is there, and what would be done", () => {
  const world = observing().pass(1_000);
  expect(world.state.plan?.domains.map(({ id, target }) => [id, target])).toEqual([
    ["a", 2],
    ["b", 2],
  ]);
  const would = wouldDo(world.policy, world.state, world.now);
  expect(would.filter(({ kind }) => kind === "set-online")).toMatchObject([
    { domain: "a", online: [0, 1] },
    { domain: "b", online: [0, 1] },
  ]);
  expect(new Set(would.map(({ kind }) => kind))).toContain("pin-vcpu");
});

test("what was announced is what enforcing then does", () => {
  const world = observing().pass(1_000);
  const announced = wouldDo(world.policy, world.state, world.now).map((command) => JSON.stringify(command));
  world.policy = { ...world.policy, mode: "enforce" };
  world.settle();
  const done = new Set(world.log.map((command) => JSON.stringify(command)));
  expect(announced.filter((command) => !done.has(command))).toEqual([]);
  expect(wouldDo(world.policy, world.state, world.now)).toEqual([]);
});

test("a pause leaves everything as it is, whatever happens meanwhile, and resuming goes on from there", () => {
  const world = observing();
  world.policy = { ...world.policy, mode: "enforce" };
  world.settle();
  world.policy = { ...world.policy, mode: "observe" };
  const before = JSON.stringify(world.snapshot);
  world.log.length = 0;
  world.play({ kind: "policy-changed" });
  world.pass(60_000);
  expect(JSON.stringify(world.snapshot)).toBe(before);
  world.depart("b").pass(60_000);
  expect(world.log).toEqual([]);
  expect(world.state.domains.map(({ cooperation }) => cooperation.standing)).toEqual(["active"]);
  world.policy = { ...world.policy, mode: "enforce" };
  world.settle();
  expect(world.online("a")).toEqual([0, 1, 2, 3]);
});

test("a clean stop during a pause puts everything back all the same", () => {
  const world = observing();
  world.policy = { ...world.policy, mode: "enforce" };
  const found = JSON.stringify(world.snapshot.domains.map(({ vcpus }) => vcpus));
  world.settle();
  world.policy = { ...world.policy, mode: "observe" };
  world.play({ kind: "release" });
  world.settle();
  expect(JSON.stringify(world.snapshot.domains.map(({ vcpus }) => vcpus))).toBe(found);
});

test("P-17: a guest that asks is told that nothing is changed, and its request is not used up", () => {
  const world = observing().pass(1_000);
  const request = { domain: "b", id: "1", origin: "administrator", exceeded: null, target: null } as const;
  world.play({ kind: "requested", requests: [request] });
  expect(world.replies).toMatchObject([
    { domain: "b", answer: { outcome: "denied", why: { code: "not-now", daemon: "observing" } } },
  ]);
  expect(world.log).toEqual([]);
});
