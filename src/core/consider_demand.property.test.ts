/** What must hold through the whole controller, whoever asks for what: random hosts, requests, plugs and restarts. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ControllerState } from "./controller_state.ts";
import { TestWorld } from "./test_world_suite.ts";

const SEED = 9_164_809;
const RUNS = 40;

const worlds = fc.record({
  pcpus: fc.integer({ min: 2, max: 12 }),
  domains: fc.array(
    fc.record({
      vcpus: fc.integer({ min: 1, max: 6 }),
      slots: fc.array(fc.constantFrom(0, 1), { maxLength: 3 }),
      asks: fc.constantFrom(true, true, false),
      weight: fc.constantFrom(64, 256, 512),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  story: fc.array(
    fc.record({
      who: fc.nat(3),
      use: fc.constantFrom(0, 900, 4000),
      /** A small number of ids, so that many are asked again. */
      id: fc.nat(6),
      node: fc.constantFrom(null, 0, 1, 77),
      restart: fc.constantFrom(false, false, false, true),
      seconds: fc.constantFrom(0, 1, 25),
    }),
    { minLength: 5, maxLength: 20 },
  ),
});

describe(`requests through the controller, ${RUNS} hosts from seed ${SEED}`, () => {
  it("one answer for each request, nobody below its own, no more than there is, and all as found in the end", () => {
    fc.assert(
      fc.property(worlds, ({ pcpus, domains, story }) => {
        const world = new TestWorld(pcpus);
        domains.forEach(({ weight, ...shape }, n) => {
          world.arrive(`d${n}`, { ...shape, policy: { weight } });
        });
        world.settle();
        const plugged = world.snapshot.domains.map(({ vcpus }) => vcpus.length);
        const grants = new Map<string, string>();
        for (const { who, use, id, node, restart, seconds } of story) {
          const domain = `d${who % domains.length}`;
          world.use.set(domain, use);
          world.ask(domain, { id: `r${id}`, target: node === null ? null : { kind: "node", node } });
          if (restart) {
            world.state = JSON.parse(JSON.stringify(world.state)) as ControllerState;
            world.play({ kind: "started" });
          }
          world.settle();
          world.pass(seconds * 1000);
          for (const { domain: to, request, answer } of world.replies.splice(0)) {
            const key = `${request} ${to}`;
            // A daemon that cannot decide yet says so, also to one that it knows.
            if (answer.outcome === "denied" && answer.why.code === "not-now") continue;
            const told = JSON.stringify(answer);
            expect(grants.get(key) ?? told).toBe(told);
            if (answer.outcome === "granted") grants.set(key, told);
          }
          const { dues, domains: memories } = world.state;
          const demands = memories.flatMap(({ demand }) => demand ?? []);
          const sum = (of: "allotted" | "due") => demands.reduce((total, demand) => total + demand[of], 0);
          expect(sum("allotted")).toBeLessThanOrEqual(Math.max(dues?.capacity ?? 0, sum("due")));
          for (const { allotted, wants, due } of demands)
            expect(allotted).toBeGreaterThanOrEqual(Math.min(wants, due));
        }
        world.play({ kind: "release" });
        world.settle(60);
        expect(world.snapshot.domains.map(({ vcpus }) => vcpus.length)).toEqual(plugged);
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });
});
