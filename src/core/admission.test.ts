/** Requests and answers, in stories. */
import { describe, expect, it } from "vitest";
import { AskingHost } from "./asking_host_suite.ts";
import { domainOf, policyWith } from "./sample_host.ts";

/** 8 pCPUs, so that two domains are due 4 each; both have 8 vCPUs. */
function twoOnEight(): AskingHost {
  const host = new AskingHost(8, [domainOf("a", { vcpus: 8 }), domainOf("b", { vcpus: 8 })]);
  host.usage.set("a", 4000).set("b", 4000);
  return host.looks(1);
}

/** The same after `a` was idle for long enough to lend three of its four. */
function lentByA(): AskingHost {
  const host = twoOnEight();
  host.usage.set("a", 100);
  host.looks(90);
  host.usage.set("b", 7000);
  return host;
}

describe("admit()", () => {
  it("everybody starts with what it is due", () => {
    expect(twoOnEight().shown()).toBe("a 4, b 4");
  });

  it("a guest that leaves its vCPUs unused gives them back one by one, and keeps the least", () => {
    const host = twoOnEight();
    host.usage.set("a", 100);
    expect(host.looks(20).shown()).toBe("a 4, b 4");
    expect(host.looks(1).shown()).toBe("a 3, b 4");
    expect(host.looks(300).shown()).toBe("a 1, b 4");
  });

  it("P-12, P-18: what others leave unused is lent, one vCPU for each request, with its number", () => {
    const host = lentByA();
    const answers = [1, 2, 3, 4].flatMap(() => {
      host.look();
      return host.told({ domain: "b" });
    });
    expect(answers).toEqual(["b: lent 4", "b: lent 5", "b: lent 6", "b: no-free-pcpu"]);
    expect(host.shown()).toBe("a 1, b 7");
  });

  it("the owner has its own back with the answer, and the borrower is named", () => {
    const host = lentByA();
    for (let request = 0; request < 3; request++) host.looks(1).ask({ domain: "b" });
    host.usage.set("a", 1000);
    const [answered] = host.looks(1).ask({ domain: "a" });
    expect(answered).toMatchObject({ answer: { outcome: "granted", loan: false }, calledBackFrom: ["b"] });
    for (let request = 0; request < 4; request++) host.looks(1).ask({ domain: "a" });
    expect(host.shown()).toBe("a 4, b 4");
  });

  it("a borrower gets the pCPU again when the owner leaves it again, without asking", () => {
    const host = lentByA();
    for (let request = 0; request < 3; request++) host.looks(1).ask({ domain: "b" });
    host.usage.set("a", 1000);
    host.looks(1).ask({ domain: "a" });
    expect(host.shown()).toBe("a 2, b 6");
    host.usage.set("a", 100);
    expect(host.looks(60).shown()).toBe("a 1, b 7");
  });

  it("idempotent: the same request is answered again and not granted again", () => {
    const host = lentByA();
    const ask = () => host.looks(1).ask({ domain: "b", id: "b-1" })[0]!;
    const [first, again] = [ask(), ask()];
    expect(again).toMatchObject({ answer: first.answer, repeated: true });
    expect(host.shown()).toBe("a 1, b 5");
  });

  it("several at once: first who is within its entitlement, then who has borrowed least for its weight", () => {
    const domains = ["a", "b", "c", "d"].map((id) => domainOf(id, { vcpus: 8 }));
    const host = new AskingHost(8, domains, policyWith({ c: { weight: 256 }, d: { weight: 256 } }));
    for (const id of ["a", "d"]) host.usage.set(id, 100);
    for (const id of ["b", "c"]) host.usage.set(id, 2000);
    host.looks(60);
    expect(host.shown()).toBe("a 1, b 2, c 2, d 1");
    host.usage.set("d", 1000);
    // Two are free; d is due one of them, and b comes before c.
    expect(host.told({ domain: "c" }, { domain: "b" }, { domain: "d" })).toEqual([
      "d: granted 1",
      "b: lent 2",
      "c: no-free-pcpu",
    ]);
  });

  it.each<{ why: string; change: (host: AskingHost) => void; request?: object; told: string }>([
    { why: "a stranger", change: () => {}, request: { domain: "x" }, told: "x: unknown-domain" },
    {
      why: "P-68: a value that does not exceed its threshold",
      change: () => {},
      request: { exceeded: { measure: "m", level: "vcpu", value: 1, threshold: 1 } },
      told: "b: not-exceeded",
    },
    {
      why: "a value that is no number",
      change: () => {},
      request: { exceeded: { measure: "m", level: "vcpu", value: Number.NaN, threshold: 1 } },
      told: "b: not-exceeded",
    },
    {
      why: "P-15: an administrator needs no measure",
      change: () => {},
      request: { origin: "administrator", exceeded: null },
      told: "b: lent 4",
    },
    {
      why: "P-13: a node that the guest does not have",
      change: () => {},
      request: { target: { kind: "node", node: 7 } },
      told: "b: no-such-node",
    },
    {
      why: "P-14: the same as a proximity domain",
      change: () => {},
      request: { target: { kind: "proximity-domain", id: 0 } },
      told: "b: lent 4",
    },
    {
      why: "strict weights",
      change: (host) => {
        host.rules = { mode: "strict", loansMax: null };
        host.looks(1);
      },
      told: "b: strict-weights",
    },
    {
      why: "its quota",
      change: (host) => {
        host.rules = { mode: "demand", loansMax: 0 };
      },
      told: "b: at-loan-quota",
    },
    {
      why: "its vCPUs max",
      change: (host) => {
        host.policy = policyWith({ b: { vcpusMax: 4 } });
      },
      told: "b: at-vcpus-max",
    },
    {
      why: "pitfall 11: the host sees it idle",
      change: (host) => host.usage.set("b", 300),
      told: "b: not-busy",
    },
    {
      why: "pitfall 19: paused",
      change: (host) => {
        const domains = host.snapshot.domains.map((one) => ({ ...one, state: "paused" as const }));
        host.snapshot = { ...host.snapshot, domains };
      },
      told: "b: paused",
    },
  ])("denied or granted: $why", ({ change, request = {}, told }) => {
    const host = lentByA();
    change(host);
    expect(host.told({ domain: "b", ...request })).toEqual([told]);
  });

  it("a grant has to be online before the next", () => {
    const host = lentByA();
    host.lazy.add("b");
    expect(host.told({ domain: "b" }, { domain: "b" })).toEqual(["b: lent 4", "b: still-growing"]);
  });

  it("P-13: the vCPU is one of the node that the request names", () => {
    const domains = [domainOf("a", { vcpus: 8, guestNodes: 2 }), domainOf("b", { vcpus: 8 })];
    const host = new AskingHost(8, domains);
    host.usage.set("a", 100).set("b", 4000);
    host.looks(90);
    const target = { kind: "node", node: 1 } as const;
    expect(host.told({ domain: "a", target })).toEqual(["a: granted 4"]);
    expect(host.onlineOf("a")).toEqual([0, 4]);
  });

  it("a silent guest cannot ask, so it lends nothing and has back what it lent", () => {
    const host = lentByA();
    for (let request = 0; request < 3; request++) host.looks(1).ask({ domain: "b" });
    expect(host.shown()).toBe("a 1, b 7");
    const domains = host.snapshot.domains.map((one) => (one.id === "a" ? { ...one, guest: null } : one));
    host.snapshot = { ...host.snapshot, domains };
    expect(host.looks(1).shown()).toBe("a 4, b 4");
  });
});
