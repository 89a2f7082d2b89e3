import { describe, expect, it } from "vitest";
import { explainReason } from "./explain.ts";
import type { Reason } from "./reason.ts";

describe("explainReason()", () => {
  it.each<[Reason, string]>([
    [
      { code: "share", weight: 512, weightSum: 768, capacity: 12_000, share: 8000 },
      "Its weight 512 of 768 in all is a share of 8 pCPUs of the host's 12 pCPUs.",
    ],
    [{ code: "rounded-up", entitlement: 1716, target: 2 }, "1.716 pCPUs is rounded up to 2 vCPUs."],
    [{ code: "raised-to-minimum", vcpusMin: 1 }, "It always keeps at least 1 vCPU."],
    [{ code: "shares-pcpus", with: ["a", "b"], pcpus: [3] }, "It shares pCPU 3 with a, b."],
    [{ code: "cannot-offline", vcpus: [1, 2] }, "Its guest cannot take vCPUs 1-2 offline."],
    [{ code: "pcpus-left-idle", pcpus: [4] }, "No domain has a use for pCPU 4, so the host keeps it."],
    [{ code: "pcpu-given-to", domain: "web" }, "Makes room for web."],
    [
      { code: "pcpus-left-idle", pcpus: [0, 1, 2, 7] },
      "No domain has a use for pCPUs 0-2,7, so the host keeps them.",
    ],
  ])("%j", (reason, sentence) => {
    expect(explainReason(reason)).toBe(sentence);
  });
});
