/** What counts of a guest's switches, and of looks at its vCPUs. The rest of a record is in whatif.test.ts. */
import { expect, test } from "vitest";
import { DEFAULT_POLICY } from "../../core/policy.ts";
import { domainOf, flatHost } from "../../core/sample_host.ts";
import { type HistoryView, historyViewSchema } from "../../protocol/api_history.ts";
import { recordingOf, type WhatIfJournal } from "./recording.ts";

const SECONDS = 60;
const BEGIN_MS = 1_000_000_000_000;

/** A minute of a domain with two of four vCPUs in use. */
const JOURNAL: WhatIfJournal = {
  records: [
    { kind: "start" as const, daemonVersion: "test", policy: DEFAULT_POLICY, now: 0, wallMs: BEGIN_MS },
    {
      kind: "event" as const,
      now: 0,
      actions: "",
      event: {
        kind: "observed" as const,
        snapshot: { pcpus: flatHost(2), domains: [domainOf("a", { vcpus: 4, online: 2 })] },
        use: [{ domain: "a", used: 1_000 }],
      },
    },
    { kind: "note" as const, now: 1_000 * SECONDS, text: "later" },
  ].map((record, i) => ({ seq: i + 1, line: i + 2, record })),
  nextSeq: 4,
  damage: [],
  tornBytes: 0,
  keepBytes: 0,
};

type Values = readonly (number | null)[];

function viewWith({
  told = every(null),
  measured = null,
  spinning = every(null),
}: {
  readonly told?: Values;
  readonly measured?: Values | null;
  readonly spinning?: Values;
}): HistoryView {
  const nothing = Array<null>(SECONDS).fill(null);
  const names =
    "runMaxMilliPcpu waitMilliPcpu stealMilliPcpu dispatchesPerSecond interruptsPerSecond inKernelPart " +
    "stackingPart online target entitlementMilliPcpu requests denials changes";
  return historyViewSchema.parse({
    kind: "domain",
    name: "a",
    fromMs: BEGIN_MS,
    toMs: BEGIN_MS + 1_000 * SECONDS,
    pointSeconds: 1,
    atMs: nothing.map((_, second) => BEGIN_MS + 1_000 * second),
    series: {
      ...Object.fromEntries(names.split(" ").map((name) => [name, nothing])),
      runMilliPcpu: every(1_000),
      spinningPart: spinning,
      switchesPerSecond: told,
    },
    measures: measured === null ? [] : [{ measure: "vm.switches", values: measured }],
  });
}

const every = (value: number | null): Values => Array<number | null>(SECONDS).fill(value);

test.each<{ why: string; told: Values; measured: Values | null; mean: number | null }>([
  { why: "the guest's kernel, over the vCPUs in use", told: every(140), measured: null, mean: 70 },
  { why: "the kernel goes before the monitor", told: every(140), measured: every(9), mean: 70 },
  { why: "none is an answer too", told: every(0), measured: every(9), mean: 0 },
  {
    why: "a kernel that was heard late",
    told: every(140).with(0, null),
    measured: every(9),
    mean: 70,
  },
  { why: "an older agent: the monitor, which is per vCPU", told: every(null), measured: every(9), mean: 9 },
  { why: "neither", told: every(null), measured: null, mean: null },
])("$why", ({ told, measured, mean }) => {
  const recording = recordingOf(JOURNAL, () => viewWith({ told, measured }));
  if ("unusable" in recording) throw new Error(recording.unusable);
  expect(recording.domains[0]!.switches?.mean ?? null).toBe(mean);
});

test("without a history there are none", () => {
  expect(recordingOf(JOURNAL, null)).toMatchObject({ domains: [{ switches: null }] });
});

/** In so many seconds a look found a vCPU on a pCPU, spinning in every fourth. */
const looksIn = (seconds: number): Values =>
  every(null).map((_, second) => (second < seconds ? Number(second % 4 === 0) : null));

test.each<{ why: string; seconds: number; mean: number | null; gaps: RegExp[] }>([
  { why: "in every second", seconds: SECONDS, mean: 0.25, gaps: [] },
  { why: "in half of them", seconds: SECONDS / 2, mean: 8 / 30, gaps: [] },
  {
    why: "in fewer: what was found is not typical",
    seconds: SECONDS / 2 - 1,
    mean: null,
    gaps: [/fewer than half/],
  },
  { why: "in one", seconds: 1, mean: null, gaps: [/fewer than half/] },
  { why: "in none, as where nobody looks", seconds: 0, mean: null, gaps: [/was not looked at/] },
])("looks that found a vCPU on a pCPU $why", ({ seconds, mean, gaps }) => {
  const recording = recordingOf(JOURNAL, () => viewWith({ spinning: looksIn(seconds) }));
  if ("unusable" in recording) throw new Error(recording.unusable);
  expect(recording.domains[0]!.spinning?.mean ?? null).toBe(mean);
  const said = recording.gaps.filter((sentence) => /looked at|a look found/.test(sentence));
  expect(said).toEqual(gaps.map((gap) => expect.stringMatching(gap)));
});
