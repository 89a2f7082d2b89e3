/** Issue 3, point 6: a vCPU runs on the host's node that holds its guest node's memory, where counts allow. */
import { describe, expect, it } from "vitest";
import { explainReason } from "./explain.ts";
import { makePlan, NO_PLAN_DEMAND } from "./make_plan.ts";
import type { DomainSnapshot } from "./model.ts";
import { carriedOut, domainOf, hostOf, policyWith } from "./sample_host.ts";

/** 8 pCPUs in two nodes of four. */
const pcpus = hostOf({ pcpus: 8, perNode: 4, perLlc: 4, perCore: 1 });
const STRAIGHT = [
  { guestNode: 0, hostNode: 0 },
  { guestNode: 1, hostNode: 1 },
];
const CROSSED = [
  { guestNode: 0, hostNode: 1 },
  { guestNode: 1, hostNode: 0 },
];

const withMemory = (domain: DomainSnapshot, memory: NonNullable<DomainSnapshot["memory"]>) => ({
  ...domain,
  memory,
});

/** "0:4 1:5": where each vCPU in use should run. */
function shown(domains: readonly DomainSnapshot[], policy = policyWith({})): string[] {
  return makePlan(policy, { pcpus, domains }).domains.map(({ vcpus }) =>
    vcpus
      .filter(({ online }) => online)
      .map(({ index, pcpus: at }) => `${index}:${at.join()}`)
      .join(" "),
  );
}

describe("pinning near the memory", () => {
  it.each([
    ["straight", STRAIGHT, "0:0 1:1 2:4 3:5"],
    ["crossed", CROSSED, "0:4 1:5 2:0 3:1"],
  ])("%s", (_, memory, expected) => {
    const one = withMemory(domainOf("a", { vcpus: 4, guestNodes: 2 }), memory);
    expect(shown([one])).toEqual([expected]);
  });

  it("without memory, one node is enough for a guest of two", () => {
    expect(shown([domainOf("a", { vcpus: 4, guestNodes: 2 })])).toEqual(["0:0 1:1 2:2 3:3"]);
  });

  it("exclusivity comes first: who finds its node full runs elsewhere, and says so", () => {
    const domains = ["a", "b"].map((id) =>
      withMemory(domainOf(id, { vcpus: 4 }), [{ guestNode: 0, hostNode: 0 }]),
    );
    expect(shown(domains)).toEqual(["0:0 1:1 2:2 3:3", "0:4 1:5 2:6 3:7"]);
    const [a, b] = makePlan(policyWith({}), { pcpus, domains }).domains;
    expect(a!.reasons.map(({ code }) => code)).not.toContain("far-from-memory");
    expect(b!.reasons.map(explainReason)).toContain(
      "The host's node with the memory of vCPUs 0-3 has no room for all of them, so they run on another node.",
    );
  });

  it("the administrator's node comes before the memory's", () => {
    const one = withMemory(domainOf("a", { vcpus: 2 }), [{ guestNode: 0, hostNode: 0 }]);
    expect(shown([one], policyWith({ a: { node: 1 } }))).toEqual(["0:4 1:5"]);
  });

  it("a vCPU that comes online goes to its own node, the others stay, and the reason says why", () => {
    const two = withMemory(domainOf("a", { vcpus: 4, guestNodes: 2, online: 2 }), CROSSED);
    const policy = policyWith({});
    const start = { pcpus, domains: [two, domainOf("b", { vcpus: 2 })] };
    const small = makePlan(policy, start, {
      ...NO_PLAN_DEMAND,
      allotted: new Map([
        ["a", 2],
        ["b", 2],
      ]),
    });
    const snapshot = carriedOut(start, small);
    const demand = {
      granted: new Map([["a", [2]]]),
      allotted: new Map([
        ["a", 3],
        ["b", 2],
      ]),
    };
    const { moves } = makePlan(policy, snapshot, demand);
    const inUse = moves.filter(({ why }) => why.code !== "confined-while-offline");
    expect(inUse).toMatchObject([{ vcpu: 2, why: { code: "near-memory", guestNode: 1, node: 0 } }]);
    expect(pcpus[inUse[0]!.to[0]!]!.node).toBe(0);
  });

  it("a plan that was carried out asks for nothing more", () => {
    const domains = [
      withMemory(domainOf("a", { vcpus: 6, guestNodes: 2 }), CROSSED),
      withMemory(domainOf("b", { vcpus: 6, guestNodes: 2 }), STRAIGHT),
    ];
    const snapshot = { pcpus, domains };
    const again = makePlan(policyWith({}), carriedOut(snapshot, makePlan(policyWith({}), snapshot)));
    expect(again.moves).toEqual([]);
  });
});
