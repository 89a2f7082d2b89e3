/** What somebody measured of the host is near what models have; the rest is drawn from the whole range. */
import { expect, test } from "vitest";
import { assumptionsOf } from "./assumptions.ts";
import { type HostFacts, NO_HOST_FACTS } from "./host_facts.ts";
import { truthOf } from "./known_host_suite.ts";
import { drawModel } from "./model.ts";

const { recording } = truthOf({});
const KEYS = Array.from({ length: 200 }, (_, key) => key);
const hostsWith = (facts: Partial<HostFacts>) =>
  KEYS.map((key) => drawModel({ ...recording, facts: { ...NO_HOST_FACTS, ...facts } }, key).host);
const ends = (values: readonly number[]) => [Math.min(...values), Math.max(...values)] as const;

/** The simulator takes 4 us for a hand-over and 2.7 us for an interrupt. */
test.each([
  { what: "a hand-over of 20 us", facts: { handoverNs: 20_000 }, of: "meetingFactor", factor: 5 },
  { what: "a wake-up of 54 us", facts: { wakeupNs: 54_000 }, of: "interruptFactor", factor: 20 },
] as const)("$what: within a factor of 1.6, and nothing else changes", ({ facts, of, factor }) => {
  const [known, open] = [hostsWith(facts), hostsWith({})];
  const [low, high] = ends(known.map((host) => host[of]));
  expect(low).toBeGreaterThan(factor / 1.6 - 1e-9);
  expect(high).toBeLessThan(factor * 1.6 + 1e-9);
  expect(high / low).toBeGreaterThan(2);
  const [openLow, openHigh] = ends(open.map((host) => host[of]));
  expect(openHigh / openLow).toBeGreaterThan(30);
  expect(known.map((host) => ({ ...host, [of]: 0 }))).toEqual(open.map((host) => ({ ...host, [of]: 0 })));
});

test("the answer says what was taken for known, and which option says what is not", () => {
  const said = (facts: Partial<HostFacts>) =>
    assumptionsOf({ ...recording, facts: { ...NO_HOST_FACTS, ...facts } }, "follow").join("\n");
  expect(said({})).toContain("--handover says it");
  expect(said({})).toContain("--wakeup says it");
  const told = said({ handoverNs: 13_100, wakeupNs: 56_100 });
  expect(told).toContain("need 13.1 us to take turns");
  expect(told).toContain("taken to cost 56.1 us");
  expect(told).not.toMatch(/--(handover|wakeup)/);
});
