import { describe, expect, it } from "vitest";
import { explainDenial } from "./explain_denial.ts";
import type { Denial } from "./request.ts";

describe("explainDenial()", () => {
  it.each<[Denial, string]>([
    [{ code: "too-often", retryAfter: 300 }, "Asked too often; ask again in 300 ms."],
    [{ code: "not-exceeded", value: 0.9, threshold: 1 }, "The value 0.9 does not exceed its threshold 1."],
    [{ code: "no-such-node", node: 7, nodes: [0, 1] }, "The guest has no virtual NUMA node 7; it has 0-1."],
    [
      { code: "no-free-pcpu", target: 5, strict: 4 },
      "It is due 4 vCPUs and has 5; no other domain leaves a pCPU unused, or borrows more for its weight.",
    ],
    [
      { code: "not-busy", usage: 300, least: 2000 },
      "It used, or waited for, 0.3 pCPUs; more than its entitlement is lent only to a guest with work for at least 2.",
    ],
  ])("%j", (why, sentence) => {
    expect(explainDenial(why)).toBe(sentence);
  });
});
