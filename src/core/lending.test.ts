/** Lending on request: who may lend, how sure that is, and how a load that was misjudged is left alone. */
import { describe, expect, it } from "vitest";
import { AskingHost } from "./asking_host_suite.ts";
import { NO_USE_YET } from "./give_back.ts";
import {
  chooseLender,
  LEND_STRETCH_MS,
  type LenderCandidate,
  type Lending,
  NOTHING_LENT,
  rememberLoan,
  rememberReturn,
  watchUse,
} from "./lending.ts";
import { domainOf } from "./sample_host.ts";

/** `a` and `b` are due 4 of 8 each; `b` is busy, and `a` was, until now. */
function justIdle(): AskingHost {
  const host = new AskingHost(8, [domainOf("a", { vcpus: 8 }), domainOf("b", { vcpus: 8 })]);
  host.usage.set("a", 4000).set("b", 4000);
  host.looks(30);
  host.usage.set("a", 100);
  return host;
}

describe("lending on request", () => {
  it("one vCPU for each request, after two looks in a row, and never the least (P-12, P-16)", () => {
    const host = justIdle();
    const told = Array.from({ length: 5 }, () => {
      host.usage.set("b", 1000 * host.onlineOf("b").length);
      return host.looks(1).told({ domain: "b" });
    });
    expect(told.flat()).toEqual([
      "b: no-free-pcpu",
      "b: lent 4",
      "b: lent 5",
      "b: lent 6",
      "b: no-free-pcpu",
    ]);
    expect(host.shown()).toBe("a 1, b 7");
  });

  it("the owner has all of it back with its first request, and the lender is named", () => {
    const host = justIdle().looks(1);
    for (let request = 0; request < 3; request++) {
      host.usage.set("b", 1000 * host.onlineOf("b").length);
      expect(host.looks(1).ask({ domain: "b" })).toMatchObject([{ lender: { id: "a" }, calledBackFrom: [] }]);
    }
    host.usage.set("a", 1000);
    const [answered] = host.looks(1).ask({ domain: "a" });
    expect(answered).toMatchObject({
      answer: { outcome: "granted", loan: false },
      returned: 3,
      calledBackFrom: ["b"],
    });
    expect(host.shown()).toBe("a 4, b 4");
  });

  it.each<[string, (host: AskingHost) => void, string]>([
    ["an absent reading is no reading (pitfall 8)", (host) => host.usage.delete("a"), "no-free-pcpu"],
    ["what it uses of its last vCPU it keeps", (host) => host.usage.set("a", 2600), "no-free-pcpu"],
    ["half a vCPU stays free on the others", (host) => host.usage.set("a", 2500), "lent 4"],
    [
      "under strict weights nobody lends",
      (host) => (host.rules = { mode: "strict", loansMax: null }),
      "strict-weights",
    ],
  ])("%s", (_, happens, told) => {
    const host = justIdle();
    happens(host);
    expect(host.looks(3).told({ domain: "b" })).toEqual([`b: ${told}`]);
  });

  it("one high reading between two low ones is not quiet", () => {
    const host = justIdle().looks(1);
    host.usage.set("a", 3800);
    host.looks(1);
    host.usage.set("a", 100);
    expect(host.looks(1).told({ domain: "b" })).toEqual(["b: no-free-pcpu"]);
  });

  it("a guest without a load monitor is never lent from: it could not ask back", () => {
    const host = justIdle();
    host.snapshot = {
      ...host.snapshot,
      domains: host.snapshot.domains.map((domain) =>
        domain.id === "a" && domain.guest !== null
          ? { ...domain, guest: { ...domain.guest, asks: false } }
          : domain,
      ),
    };
    expect(host.looks(10).told({ domain: "b" })).toEqual(["b: no-free-pcpu"]);
  });

  it("what a borrower leaves unused goes to another one, too, and is not counted as its own", () => {
    const host = new AskingHost(
      9,
      ["a", "b", "c"].map((id) => domainOf(id, { vcpus: 9 })),
    );
    host.usage.set("a", 100).set("b", 3000).set("c", 3000);
    host.looks(2).ask({ domain: "b" });
    expect(host.shown()).toBe("a 2, b 4, c 3");
    host.usage.set("b", 100);
    host.looks(2).ask({ domain: "c" });
    expect(host.demand.domains.map(({ lending }) => lending?.lent?.vcpus ?? 0)).toEqual([1, 0, 0]);
    expect(host.shown()).toBe("a 2, b 3, c 4");
  });
});

describe("regret", () => {
  const lentAt = (since: number): Lending => rememberLoan(NOTHING_LENT, { quietSince: since, isOwn: true });

  it("asked back before give-back would have moved: twice as long; a loan that was right ends it", () => {
    const once = rememberReturn(lentAt(0), 19_999);
    expect(once).toEqual({ ...NOTHING_LENT, stretch: 2 * LEND_STRETCH_MS });
    const twice = rememberReturn(rememberLoan(once, { quietSince: 30_000, isOwn: true }), 31_000);
    expect(twice.stretch).toBe(4 * LEND_STRETCH_MS);
    expect(rememberReturn(rememberLoan(twice, { quietSince: 0, isOwn: true }), 20_000)).toEqual(NOTHING_LENT);
  });

  it("who will miss it least lends first: fewest regrets, most unused, then by id", () => {
    const candidate = (id: string, peak: number, stretch = LEND_STRETCH_MS): LenderCandidate => ({
      id,
      use: NO_USE_YET,
      vcpus: 4,
      twoLooks: true,
      lending: { watched: { since: 0, peak, before: peak }, stretch, lent: null },
    });
    const best = (...candidates: LenderCandidate[]) => chooseLender(candidates)?.id;
    expect(best(candidate("a", 0, 4_000), candidate("b", 2_000))).toBe("b");
    expect(best(candidate("a", 500), candidate("b", 400))).toBe("b");
    expect(best(candidate("a", 400), candidate("b", 400))).toBe("a");
    expect(best(candidate("a", 2_501), candidate("b", 4_000))).toBeUndefined();
  });

  it("the longer the stretch, the more looks have to be low", () => {
    let lending: Lending = { ...NOTHING_LENT, stretch: 4_000 };
    const ready: number[] = [];
    for (let second = 0; second < 12; second++) {
      lending = watchUse(lending, 0, second * 1_000);
      if (lending.watched?.before === 0) ready.push(second);
    }
    expect(ready[0]).toBe(4);
    lending = watchUse(lending, 3_000, 12_000);
    const peaks: number[] = [];
    for (let second = 13; second < 24; second++) {
      lending = watchUse(lending, 0, second * 1_000);
      peaks.push(Math.max(lending.watched!.peak, lending.watched!.before ?? 0));
    }
    // Seen for as long as the stretch it fell into, and the one after it.
    expect(peaks.filter((peak) => peak === 3_000).length).toBeGreaterThanOrEqual(4);
  });
});
