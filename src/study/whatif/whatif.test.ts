/**
 * `vbal whatif` on records whose truth is known: the simulator's own runs, turned into a journal and a history, and journals that
 * are written by hand.
 */
import { describe, expect, test } from "vitest";
import type { DomainSnapshot, Snapshot } from "../../core/model.ts";
import { DEFAULT_POLICY, type Policy } from "../../core/policy.ts";
import { domainOf, flatHost } from "../../core/sample_host.ts";
import type { HistoryView } from "../../protocol/api_history.ts";
import { decodeJournal, encodeHeader, encodeRecord, type JournalRecord } from "../../protocol/journal.ts";
import { distanceOf } from "./distance.ts";
import { fitModels } from "./fit.ts";
import { NO_HOST_FACTS } from "./host_facts.ts";
import type { KnownRate } from "./known_host.ts";
import { ALL_BUT_LOOKS, SHORT_NS, strictAnswer, truthOf } from "./known_host_suite.ts";
import { drawModel } from "./model.ts";
import { placementsUnder, wantedVcpus } from "./policies.ts";
import { type ReadHistory, type Recording, recordingOf } from "./recording.ts";
import { whatIf } from "./whatif.ts";
import { type Outcome, threadsUnder } from "./world.ts";

const NOT_HERE: HistoryView["series"] = {
  runMilliPcpu: [],
  runMaxMilliPcpu: [],
  waitMilliPcpu: [],
  stealMilliPcpu: [],
  dispatchesPerSecond: [],
  interruptsPerSecond: [],
  switchesPerSecond: [],
  spinningPart: [],
  inKernelPart: [],
  stackingPart: [],
  online: [],
  target: [],
  entitlementMilliPcpu: [],
  requests: [],
  denials: [],
  changes: [],
};

function domain(id: string, options: { vcpus?: number; online?: number } = {}): DomainSnapshot {
  const { vcpus = 2 } = options;
  return domainOf(id, { vcpus, ...options, pins: Array.from({ length: vcpus }, () => [0, 1]) });
}

function host(...domains: readonly DomainSnapshot[]): Snapshot {
  return { pcpus: flatHost(2), domains };
}

function journalOf(...records: readonly JournalRecord[]) {
  const text = encodeHeader() + records.map((record, i) => encodeRecord(i + 1, record)).join("");
  const journal = decodeJournal<never, never>(text);
  if ("unreadable" in journal) throw new Error(journal.unreadable);
  return journal as Parameters<typeof recordingOf>[0];
}

const begin = (policy: Policy = OBSERVE): JournalRecord => ({
  kind: "start",
  daemonVersion: "test",
  policy,
  now: 0,
  wallMs: 1_000_000_000_000,
});
const OBSERVE: Policy = { ...DEFAULT_POLICY, mode: "observe" };
const seen = (
  now: number,
  snapshot: Snapshot,
  used: Readonly<Record<string, number>> = {},
): JournalRecord => ({
  kind: "event",
  now,
  actions: "",
  event: {
    kind: "observed",
    snapshot,
    use: Object.entries(used).map(([id, milli]) => ({ domain: id, used: milli })),
  },
});
const note = (now: number): JournalRecord => ({ kind: "note", now, text: "later" });

/** Every second of a minute the same. */
function steadyHistory(
  of: Readonly<Record<string, { run: number; wait: number } & Partial<Record<KnownRate, number>>>>,
): ReadHistory {
  return (id, fromMs, toMs) => {
    const { run, wait, switches, dispatches, interrupts } = of[id]!;
    const atMs = Array.from({ length: 60 }, (_, i) => fromMs + 1_000 * i).filter((at) => at < toMs);
    const every = (value: number) => atMs.map(() => value);
    return {
      kind: "domain",
      name: id,
      fromMs,
      toMs,
      pointSeconds: 1,
      atMs,
      series: {
        ...NOT_HERE,
        runMilliPcpu: every(1_000 * run),
        waitMilliPcpu: every(1_000 * wait),
        // Of the domain: two vCPUs.
        dispatchesPerSecond: dispatches === undefined ? [] : every(2 * dispatches),
        interruptsPerSecond: interrupts === undefined ? [] : every(2 * interrupts),
      },
      measures: switches === undefined ? [] : [{ measure: "vm.switches", values: every(switches) }],
    };
  };
}

function check(journal: Parameters<typeof recordingOf>[0], history: ReadHistory | null = null): Recording {
  const recording = recordingOf(journal, history);
  if ("unusable" in recording) throw new Error(recording.unusable);
  return recording;
}

const PAIR = journalOf(begin(), seen(0, host(domain("a"), domain("b"))), note(60_000));

describe("what a record says", () => {
  test("the longest stretch counts: domains that come, vCPUs that go, a change of mode each begin another", () => {
    const [one, two] = [host(domain("a")), host(domain("a"), domain("b"))];
    const journal = journalOf(
      begin(),
      seen(0, one, { a: 500 }),
      seen(15_000, two, { a: 1_000, b: 250 }),
      seen(45_000, host(domain("a", { online: 1 }), domain("b")), { a: 100, b: 100 }),
      note(60_000),
    );
    const { seconds, journalSeconds, domains, source, underVbal } = check(journal);
    expect({ seconds, journalSeconds, source, underVbal }).toEqual({
      seconds: 30,
      journalSeconds: 60,
      source: "journal",
      underVbal: false,
    });
    expect(domains.map(({ id, online, run, wait }) => ({ id, online, run: run.mean, wait }))).toEqual([
      { id: "a", online: 2, run: 1, wait: null },
      { id: "b", online: 2, run: 0.25, wait: null },
    ]);
  });

  test("use that changes counts for as long as it held", () => {
    const journal = journalOf(
      begin(),
      seen(0, host(domain("a")), { a: 1_000 }),
      seen(30_000, host(domain("a")), { a: 2_000 }),
      note(40_000),
    );
    expect(check(journal).domains[0]!.run.mean).toBeCloseTo(1.25);
  });

  test("what was told of use before a change of mode still holds after it", () => {
    const journal = journalOf(
      begin(),
      seen(0, host(domain("a")), { a: 1_000 }),
      { kind: "policy", now: 5_000, policy: DEFAULT_POLICY },
      note(60_000),
    );
    expect(check(journal)).toMatchObject({ seconds: 55, underVbal: true, domains: [{ run: { mean: 1 } }] });
  });

  test("the history adds waiting and switches, and goes on where a steady host wrote no journal", () => {
    const journal = journalOf(begin(), seen(0, host(domain("a"))));
    const { seconds, domains, source } = check(
      journal,
      steadyHistory({ a: { run: 1, wait: 0.5, switches: 70 } }),
    );
    expect({ seconds, source }).toEqual({ seconds: 59, source: "journal and history" });
    expect(domains[0]).toMatchObject({ run: { mean: 1 }, wait: { mean: 0.5 }, switches: { mean: 70 } });
  });

  test.each([
    { rate: "dispatches", gap: "put the vCPUs of a on" },
    { rate: "interrupts", gap: "the vCPUs of a interrupted each other" },
  ] as const)(
    "the history adds $rate, per vCPU in use; one of an earlier version has none, and the answer says so",
    ({ rate, gap }) => {
      const journal = journalOf(begin(), seen(0, host(domain("a", { vcpus: 4, online: 2 }))), note(60_000));
      const history = { run: 1, wait: 0.5 };
      const known = check(journal, steadyHistory({ a: { ...history, [rate]: 700 } }));
      expect(known.domains[0]![rate]).toEqual({ mean: 700, error: 0 });
      const unknown = check(journal, steadyHistory({ a: history }));
      expect(unknown.domains[0]![rate]).toBeNull();
      const told = [known, unknown].map(({ gaps }) => gaps.some((sentence) => sentence.includes(gap)));
      expect(told).toEqual([false, true]);
    },
  );

  test("a record under vbal says so; the answer is relative to it", () => {
    const journal = journalOf(begin(DEFAULT_POLICY), seen(0, host(domain("a")), { a: 900 }), note(60_000));
    expect(check(journal).underVbal).toBe(true);
  });

  test("damage is told beside the answer", () => {
    const text =
      encodeHeader() + encodeRecord(1, begin()) + encodeRecord(3, seen(0, host(domain("a")), { a: 900 }));
    const journal = decodeJournal<never, never>(text + encodeRecord(4, note(60_000)));
    expect(check(journal as typeof PAIR).gaps).toContainEqual(expect.stringContaining("Record 2 is lost"));
  });

  test.each([
    { what: "nothing", records: [begin()], why: "holds no observation" },
    {
      what: "no use",
      records: [begin(), seen(0, host(domain("a"))), note(60_000)],
      why: "what the domains used",
    },
    {
      what: "some seconds",
      records: [begin(), seen(0, host(domain("a")), { a: 900 }), note(9_000)],
      why: "at least 10 s are needed",
    },
  ])("a record of $what is refused with the reason", ({ records, why }) => {
    expect(recordingOf(journalOf(...records), null)).toEqual({ unusable: expect.stringContaining(why) });
  });
});

describe("policies", () => {
  const recording = check(PAIR, steadyHistory({ a: { run: 1, wait: 1 }, b: { run: 1, wait: 1 } }));

  test.each([
    {
      policy: "default" as const,
      vcpus: [2, 2],
      pins: [
        [0, 1],
        [0, 1],
      ],
    },
    { policy: "affinity" as const, vcpus: [2, 2], pins: [[0], [1]] },
    { policy: "static" as const, vcpus: [1, 1], pins: [[0]] },
    { policy: "vbal strict" as const, vcpus: [1, 1], pins: [[0]] },
    { policy: "vbal demand" as const, vcpus: [1, 1], pins: [[0]] },
  ])("$policy", ({ policy, vcpus, pins }) => {
    const placements = placementsUnder(policy, recording);
    expect(placements.map((placement) => placement.vcpus)).toEqual(vcpus);
    expect(placements[0]!.pins).toEqual(pins);
  });

  test("what a domain leaves unused is lent under demand, and under strict it is not (P-16)", () => {
    const four = { vcpus: 4 };
    const pcpus = [0, 1, 2, 3].map((id) => ({ id, core: id, llc: 0, node: 0, online: true }));
    const journal = journalOf(
      begin(),
      seen(0, { pcpus, domains: [domain("busy", four), domain("idle", four)] }),
      note(60_000),
    );
    const lent = check(
      journal,
      steadyHistory({ busy: { run: 3.8, wait: 0.2 }, idle: { run: 0.1, wait: 0 } }),
    );
    const counts = (policy: "vbal strict" | "vbal demand") =>
      placementsUnder(policy, lent).map(({ vcpus }) => vcpus);
    expect(counts("vbal strict")).toEqual([2, 2]);
    // It wants four; the other keeps the one that it needs.
    expect(wantedVcpus(lent.domains[0]!)).toBe(4);
    expect(counts("vbal demand")).toEqual([3, 1]);
  });

  test.each([
    { rule: "follow" as const, modelled: 4, vcpus: 2, threads: 2 },
    { rule: "follow" as const, modelled: 3, vcpus: 2, threads: 3 },
    { rule: "keep" as const, modelled: 4, vcpus: 2, threads: 4 },
  ])("threads $rule: $modelled of 4 vCPUs on $vcpus", ({ rule, modelled, vcpus, threads }) => {
    expect(threadsUnder(rule, { modelled, recorded: 4, vcpus })).toBe(threads);
  });
});

describe("records of a simulated host, whose truth is known", () => {
  test("compute-only guests: vbal gives no gain, and none is predicted", () => {
    const { recording, gain } = truthOf({ meeting: "compute", workNs: 1_000_000 });
    expect(gain).toBeCloseTo(1, 1);
    const { throughput, pcpus, waitShare } = strictAnswer(recording, 120);
    expect(throughput.ci95[0]).toBeLessThanOrEqual(1.02);
    expect(Math.abs(throughput.value - 1)).toBeLessThan(0.15);
    expect(pcpus.value).toBeCloseTo(1, 1);
    expect(waitShare.value).toBeLessThan(0.05);
  });

  test("a program of blocking barriers gains, and its switches say so: the gain lies in the interval", () => {
    const { recording, gain } = truthOf({ meeting: "futex-barrier", workNs: 20_000 });
    const { ci95 } = strictAnswer(recording).throughput;
    expect(1.5).toBeLessThan(gain);
    expect(ci95[0]).toBeLessThanOrEqual(gain);
    expect(gain).toBeLessThanOrEqual(ci95[1]);
  });

  test.each([
    { workNs: 50_000, dispatches: false, interrupts: false, isTakenForComputing: true },
    { workNs: 50_000, dispatches: true, interrupts: false, isTakenForComputing: false },
    // So rarely that its dispatches are within a factor of three of those of one that computes on a host with many ticks.
    { workNs: 500_000, dispatches: true, interrupts: false, isTakenForComputing: true },
    { workNs: 500_000, dispatches: true, interrupts: true, isTakenForComputing: false },
  ])(
    "a program that runs and waits as one that computes, and maps memory every $workNs ns; dispatches recorded: $dispatches, interrupts: $interrupts",
    ({ workNs, isTakenForComputing, ...recorded }) => {
      const { recording } = truthOf(
        { meeting: "mm", workNs },
        { sees: { ...ALL_BUT_LOOKS, switches: false, ...recorded } },
      );
      const options = { threads: "follow", draws: 40, simulatedNs: SHORT_NS, onProgress: () => {} } as const;
      const computing = fitModels(recording, options).models.filter(({ distances, model }) => {
        const { meeting, burst } = model.domains[0]!;
        return distances[0]! <= 1 && meeting === "compute" && burst === null;
      });
      expect(0 < computing.length).toBe(isTakenForComputing);
    },
  );

  test("the model that made the record is at no distance from it; one of another load is", () => {
    const { recording, before } = truthOf({ meeting: "futex-barrier" });
    expect(distanceOf(recording.domains[0]!, before[0]!)).toBeLessThan(0.1);
    expect(distanceOf(recording.domains[0]!, { ...before[0]!, run: 0.2 })).toBeGreaterThan(1);
  });

  test.each([
    { why: "a factor of three is allowed", recorded: 1_000, simulated: 2_900, isClose: true },
    { why: "more is not", recorded: 1_000, simulated: 3_100, isClose: false },
    { why: "fewer neither", recorded: 4_000, simulated: 126, isClose: false },
    { why: "a host's housekeeping says nothing", recorded: 40, simulated: 0, isClose: true },
    { why: "what is not recorded is not compared", recorded: null, simulated: 9_000, isClose: true },
  ])("dispatches and interrupts: $why", ({ recorded, simulated, isClose }) => {
    for (const rate of ["dispatches", "interrupts"] as const) {
      const seen = { run: 1, wait: 1, ...(recorded === null ? {} : { [rate]: recorded }) };
      const { domains } = check(PAIR, steadyHistory({ a: seen, b: seen }));
      const nothing: Outcome = {
        rate: 1,
        run: 1,
        wait: 1,
        switches: 0,
        dispatches: 0,
        interrupts: 0,
        spinning: 0,
        inKernel: [0, 1],
        stacking: null,
      };
      expect(distanceOf(domains[0]!, { ...nothing, [rate]: simulated }) <= 1).toBe(isClose);
    }
  });

  test("whether the host notices vCPUs that spin is drawn, unless it is known", () => {
    const { recording } = truthOf({});
    const drawn = (pauseLoopExits: boolean | null) => {
      const models = [1, 2, 3, 4, 5, 6].map((key) =>
        drawModel({ ...recording, facts: { ...NO_HOST_FACTS, pauseLoopExits } }, key),
      );
      return new Set(models.map(({ host }) => host.pauseLoopExits));
    };
    expect([true, false, null].map(drawn)).toEqual([
      new Set([true]),
      new Set([false]),
      new Set([true, false]),
    ]);
  });

  test("equal records give equal answers, and equal models", () => {
    const { recording } = truthOf({});
    const few = { draws: 12, simulatedNs: SHORT_NS };
    expect(whatIf(recording, few)).toEqual(whatIf(recording, few));
    expect(drawModel(recording, 7)).toEqual(drawModel(recording, 7));
  });
});
