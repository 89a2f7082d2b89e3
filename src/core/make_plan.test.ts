/** The plan as a whole, in stories: the paper's example, arrivals and departures, guests that do not follow. */
import { describe, expect, it } from "vitest";
import { makePlan } from "./make_plan.ts";
import type { DomainSnapshot, Pcpu, Snapshot } from "./model.ts";
import type { Plan } from "./plan.ts";
import type { Policy } from "./policy.ts";
import { carriedOut, domainOf, flatHost, hostOf, policyWith } from "./sample_host.ts";

/** "VM1 8: 0 1 2-3 |" is: target 8; one vCPU on 0, one on 1, one on 2 and 3; nothing after the bar is offline. */
function shown(plan: Plan): string[] {
  return plan.domains.map(({ id, target, vcpus }) => {
    const where = (online: boolean) =>
      vcpus.filter((vcpu) => vcpu.online === online).map(({ pcpus }) => pcpus.join("-"));
    return `${id} ${target}: ${where(true).join(" ")}`;
  });
}

const movesIn = (plan: Plan) =>
  plan.moves.map(({ domain, vcpu, to, why }) => `${domain}.${vcpu} to ${to.join("-")}: ${why.code}`);
const reasonsOf = (plan: Plan, id: string) => plan.domains.find((domain) => domain.id === id)!.reasons;

interface Host {
  readonly pcpus: readonly Pcpu[];
  readonly policy?: Policy;
}

/** Each step's domains are planned on what the step before left behind. */
function story(
  { pcpus, policy = policyWith({}) }: Host,
  ...steps: readonly (readonly DomainSnapshot[])[]
): Plan {
  let present: Snapshot = { pcpus, domains: [] };
  let plan: Plan = makePlan(policy, present);
  for (const step of steps) {
    const known = new Map(present.domains.map((domain) => [domain.id, domain]));
    present = { pcpus, domains: step.map((domain) => known.get(domain.id) ?? domain) };
    plan = makePlan(policy, present);
    present = carriedOut(present, plan);
  }
  return plan;
}

const [a, b, c] = ["a", "b", "c"].map((id) => domainOf(id, { vcpus: 12 }));

describe("makePlan()", () => {
  it("B-6, B-7: weights 512 and 256 on 12 pCPUs give 8 and 4, on pCPUs 0-7 and 8-11", () => {
    const policy = policyWith({ VM1: { weight: 512 }, VM2: { weight: 256 } });
    const domains = [domainOf("VM1", { vcpus: 12 }), domainOf("VM2", { vcpus: 12 })];
    const plan = makePlan(policy, { pcpus: flatHost(12), domains });
    expect(shown(plan)).toEqual(["VM1 8: 0 1 2 3 4 5 6 7", "VM2 4: 8 9 10 11"]);
    expect(plan.domains.map(({ entitlement }) => entitlement)).toEqual([8000, 4000]);
    expect(plan.domains.map(({ sharesWith }) => sharesWith)).toEqual([[], []]);
    expect([plan.idlePcpus, plan.notes]).toEqual([[], []]);
  });

  it("B-9: an arrival gets what the others give up, and nobody in use moves", () => {
    const plan = story({ pcpus: flatHost(12) }, [a!, b!], [a!, b!, c!]);
    expect(shown(plan)).toEqual(["a 4: 0 1 2 3", "b 4: 6 7 8 9", "c 4: 4 5 10 11"]);
    const moved = movesIn(plan).filter((move) => !move.endsWith("confined-while-offline"));
    expect(moved).toEqual([
      "c.0 to 4: first-placement",
      "c.1 to 5: first-placement",
      "c.2 to 10: first-placement",
      "c.3 to 11: first-placement",
    ]);
  });

  it("B-9: a departure's pCPUs go to those who stay, and nobody in use moves", () => {
    const plan = story({ pcpus: flatHost(12) }, [a!, b!, c!], [a!, c!]);
    expect(shown(plan)).toEqual(["a 6: 0 1 2 3 4 5", "c 6: 8 9 10 11 6 7"]);
    const moved = movesIn(plan).filter((move) => !move.endsWith("confined-while-offline"));
    expect(moved).toEqual([
      "a.4 to 4: brought-online",
      "a.5 to 5: brought-online",
      "c.4 to 6: brought-online",
      "c.5 to 7: brought-online",
    ]);
  });

  it("a silent guest is pinned without being ballooned: all its vCPUs on its own pCPUs", () => {
    const silent = domainOf("b", { vcpus: 3, silent: true });
    const plan = makePlan(policyWith({}), {
      pcpus: flatHost(4),
      domains: [domainOf("a", { vcpus: 4 }), silent],
    });
    expect(shown(plan)).toEqual(["a 2: 0 1", "b 3: 2-3 2-3 2-3"]);
    expect(reasonsOf(plan, "b")).toContainEqual({ code: "silent-guest" });
    expect(reasonsOf(plan, "b")).toContainEqual({ code: "more-vcpus-than-pcpus", vcpus: 3, pcpus: 2 });
  });

  it("pitfall 19, 20: a paused domain keeps its place and its vCPUs", () => {
    const paused = domainOf("b", { vcpus: 4, state: "paused" });
    const plan = makePlan(policyWith({}), {
      pcpus: flatHost(4),
      domains: [domainOf("a", { vcpus: 4 }), paused],
    });
    expect(shown(plan)).toEqual(["a 2: 0 1", "b 4: 2-3 2-3 2-3 2-3"]);
    expect(reasonsOf(plan, "b")).toContainEqual({ code: "paused" });
  });

  it("a guest without a mechanism stays as it is", () => {
    const fixed = domainOf("b", { vcpus: 4, online: 3 });
    const guest = { ...fixed.guest!, mechanisms: [] };
    const domains = [domainOf("a", { vcpus: 4 }), { ...fixed, guest }];
    const plan = makePlan(policyWith({}), { pcpus: flatHost(4), domains });
    expect(shown(plan)).toEqual(["a 2: 0 1", "b 3: 2-3 2-3 2-3"]);
    expect(reasonsOf(plan, "b")).toContainEqual({ code: "no-mechanism" });
  });

  it("pitfall 2: vCPUs that cannot be offlined stay online and are named", () => {
    const stuck = domainOf("b", { vcpus: 4, cannotOffline: [1, 2, 3] });
    const plan = makePlan(policyWith({}), {
      pcpus: flatHost(4),
      domains: [domainOf("a", { vcpus: 4 }), stuck],
    });
    expect(shown(plan)).toEqual(["a 2: 0 1", "b 4: 2-3 2-3 2-3 2-3"]);
    expect(reasonsOf(plan, "b")).toContainEqual({ code: "cannot-offline", vcpus: [1, 2, 3] });
  });

  it("B-21: more domains than pCPUs share, and are named as sharing", () => {
    const domains = ["a", "b", "c"].map((id) => domainOf(id, { vcpus: 2 }));
    const plan = makePlan(policyWith({}), { pcpus: flatHost(2), domains });
    expect(shown(plan)).toEqual(["a 1: 0", "b 1: 1", "c 1: 0"]);
    expect(reasonsOf(plan, "a")).toContainEqual({ code: "shares-pcpus", with: ["c"], pcpus: [0] });
    expect(plan.domains.map(({ sharesWith }) => sharesWith)).toEqual([["c"], [], ["a"]]);
  });

  it("whoever shared gets its own pCPU back when there is one", () => {
    const three = ["a", "b", "c"].map((id) => domainOf(id, { vcpus: 1 }));
    const plan = story(
      { pcpus: flatHost(2) },
      three,
      three.filter(({ id }) => id !== "b"),
    );
    expect(movesIn(plan)).toEqual(["c.0 to 1: own-pcpu-instead-of-shared"]);
  });

  it("shared domains float over pCPUs of their own kind", () => {
    const policy = policyWith({ b: { placement: "shared" }, c: { placement: "shared" } });
    const domains = ["a", "b", "c"].map((id) => domainOf(id, { vcpus: 6 }));
    const plan = makePlan(policy, { pcpus: flatHost(6), domains });
    expect(shown(plan)).toEqual(["a 2: 0 1", "b 2: 2-3-4-5 2-3-4-5", "c 2: 2-3-4-5 2-3-4-5"]);
    expect(plan.domains.map(({ sharesWith }) => sharesWith)).toEqual([[], ["c"], ["b"]]);
  });

  it("an unmanaged domain is absent and takes no part in the division", () => {
    const plan = makePlan(policyWith({ b: { managed: false } }), { pcpus: flatHost(4), domains: [a!, b!] });
    expect(shown(plan)).toEqual(["a 4: 0 1 2 3"]);
  });

  it("a pCPU that went offline is left, and only its vCPU moves", () => {
    const domains = [domainOf("a", { vcpus: 2 }), domainOf("b", { vcpus: 1 })];
    const pcpus = flatHost(4);
    const settled = carriedOut({ pcpus, domains }, makePlan(policyWith({}), { pcpus, domains }));
    const after = pcpus.map((pcpu) => ({ ...pcpu, online: pcpu.id !== 0 }));
    const plan = makePlan(policyWith({}), { ...settled, pcpus: after });
    expect(movesIn(plan)).toEqual(["a.0 to 3: pcpu-gone"]);
  });

  it("pitfall 22: emulators go to pCPUs set apart, which no vCPU uses, or to their domain's", () => {
    const domains = [domainOf("a", { vcpus: 2 })];
    const apart = makePlan(policyWith({}, { emulatorPcpus: [0] }), { pcpus: flatHost(3), domains });
    expect([shown(apart), apart.domains[0]!.emulatorPcpus]).toEqual([["a 2: 1 2"], [0]]);
    const own = makePlan(policyWith({}), { pcpus: flatHost(3), domains });
    expect([shown(own), own.domains[0]!.emulatorPcpus]).toEqual([["a 2: 0 1"], [0, 1]]);
  });

  it("pCPUs outside the pool are not touched; without any pCPU nothing is planned", () => {
    const within = makePlan(policyWith({}, { pool: [2, 3] }), { pcpus: flatHost(4), domains: [a!] });
    expect(shown(within)).toEqual(["a 2: 2 3"]);
    const none = makePlan(policyWith({}, { pool: [9] }), { pcpus: flatHost(4), domains: [a!] });
    expect(none).toEqual({ domains: [], moves: [], idlePcpus: [], notes: [{ code: "no-pcpus" }] });
  });

  it("pitfall 21, 24: guest nodes and threads lie along the host's", () => {
    const pcpus = hostOf({ pcpus: 8, perNode: 4, perLlc: 4, perCore: 2 });
    const plan = makePlan(policyWith({}), {
      pcpus,
      domains: [domainOf("a", { vcpus: 8, threads: 2, guestNodes: 2 })],
    });
    expect(shown(plan)).toEqual(["a 8: 0 1 2 3 4 5 6 7"]);
  });

  it("a node that has no room for all of a domain is named", () => {
    const pcpus = hostOf({ pcpus: 8, perNode: 4, perLlc: 4, perCore: 1 });
    const plan = makePlan(policyWith({ a: { node: 1 } }), { pcpus, domains: [domainOf("a", { vcpus: 5 })] });
    expect(shown(plan)).toEqual(["a 5: 0 4 5 6 7"]);
    expect(reasonsOf(plan, "a")).toContainEqual({ code: "node-full", node: 1 });
  });
});
