/** The plan as a whole: the paper's example, and what must hold for every host. */
import { describe, expect, it } from "vitest";
import { makePlan } from "./make_plan.ts";
import { domainOf, flatHost, policyWith } from "./sample_host.ts";

describe("makePlan()", () => {
  it("B-6, B-7: weights 512 and 256 on 12 pCPUs give 8 and 4, on pCPUs 0-7 and 8-11", () => {
    const plan = makePlan(policyWith({ VM1: { weight: 512 }, VM2: { weight: 256 } }), {
      pcpus: flatHost(12),
      domains: [domainOf("VM1", { vcpus: 12 }), domainOf("VM2", { vcpus: 12 })],
    });
    expect(plan.domains.map(({ id, entitlement, target }) => ({ id, entitlement, target }))).toEqual([
      { id: "VM1", entitlement: 8000, target: 8 },
      { id: "VM2", entitlement: 4000, target: 4 },
    ]);
    const pins = plan.domains.map(({ vcpus }) =>
      vcpus.filter(({ online }) => online).map(({ pcpus }) => pcpus),
    );
    expect(pins).toEqual([
      [[0], [1], [2], [3], [4], [5], [6], [7]],
      [[8], [9], [10], [11]],
    ]);
    expect(plan.idlePcpus).toEqual([]);
    expect(plan.domains.map(({ sharesWith }) => sharesWith)).toEqual([[], []]);
  });
});
