import { describe, expect, it } from "vitest";
import { chooseOnline } from "./choose_online.ts";
import { observedVcpus } from "./observed_vcpu.ts";
import { type DomainShape, domainOf } from "./sample_host.ts";

/** The indices in use for `target`. */
function check(target: number, shape: DomainShape): number[] {
  return chooseOnline(target, observedVcpus(domainOf("vm", shape))).flatMap((used, index) =>
    used ? [index] : [],
  );
}

describe("chooseOnline()", () => {
  it.each<{ why: string; target: number; shape: DomainShape; used: number[] }>([
    { why: "shrinks from the highest", target: 2, shape: { vcpus: 4 }, used: [0, 1] },
    { why: "pitfall 2: vCPU 0 always", target: 0, shape: { vcpus: 4 }, used: [0] },
    {
      why: "never one that cannot be offlined",
      target: 2,
      shape: { vcpus: 4, cannotOffline: [3] },
      used: [0, 3],
    },
    {
      why: "even if that is too many",
      target: 1,
      shape: { vcpus: 4, cannotOffline: [2, 3] },
      used: [0, 2, 3],
    },
    { why: "grows from the lowest", target: 3, shape: { vcpus: 4, online: 1 }, used: [0, 1, 2] },
    { why: "gives up SMT second threads first", target: 2, shape: { vcpus: 4, threads: 2 }, used: [0, 2] },
    {
      why: "pitfall 13: but keeps those in use",
      target: 2,
      shape: { vcpus: 4, threads: 2, online: 2 },
      used: [0, 1],
    },
    { why: "keeps guest nodes balanced", target: 4, shape: { vcpus: 8, guestNodes: 2 }, used: [0, 1, 4, 5] },
    {
      why: "grows into the emptier node",
      target: 4,
      shape: { vcpus: 8, guestNodes: 2, online: 2 },
      used: [0, 1, 4, 5],
    },
    { why: "all of them", target: 9, shape: { vcpus: 3 }, used: [0, 1, 2] },
  ])("$why", ({ target, shape, used }) => {
    expect(check(target, shape)).toEqual(used);
  });
});
