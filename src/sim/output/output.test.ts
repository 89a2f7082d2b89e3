/** What a run leaves: rows as CSV, spans that account for every nanosecond, a Perfetto trace, a picture. */
import { describe, expect, test } from "vitest";
import type { SimulationConfig } from "../config.ts";
import { CAUSES } from "../metrics/causes.ts";
import { runSimulation } from "../run.ts";
import { ganttSvg } from "./gantt_svg.ts";
import { perfettoTrace } from "./perfetto.ts";
import { decodePerfetto } from "./perfetto_reader_suite.ts";
import { ProtobufWriter } from "./protobuf.ts";
import { renderCsv } from "./render_csv.ts";
import { recordTimeline, type Timeline } from "./timeline.ts";

const MS = 1_000_000;

/** Locks, interrupts, overcommit, a vCPU without work: a bit of everything that a timeline shows. */
const WORLD: SimulationConfig = {
  seed: 5,
  replication: 0,
  until: { at: 60 * MS },
  machine: { topology: { pcpus: 3 } },
  host: { scheduler: { kind: "credit", slice: 3 * MS } },
  domains: ["a", "b"].map((name) => ({
    name,
    vcpus: 3,
    workload: {
      locks: { l: { kind: "ticket" }, m: { kind: "mutex" } },
      tasks: [
        {
          name: "worker",
          count: 3,
          program: [
            {
              do: "repeat",
              body: [
                { do: "compute", time: { mean: 300_000, cv: 1 } },
                { do: "lock", lock: "l" },
                { do: "compute", time: { mean: 50_000, cv: 1 }, mode: "kernel" },
                { do: "unlock", lock: "l" },
                { do: "lock", lock: "m" },
                { do: "compute", time: 20_000 },
                { do: "unlock", lock: "m" },
                { do: "chance", probability: 0.05, body: [{ do: "shootdown" }] },
                { do: "chance", probability: 0.05, body: [{ do: "sleep", time: 500_000 }] },
              ],
            },
          ],
        },
      ],
    },
  })),
};

function check(from: number, to: number, config: SimulationConfig = WORLD): Timeline {
  return recordTimeline(config, { from, to, records: 1_000_000 });
}

const length = (spans: readonly { readonly from: number; readonly to: number }[]): number =>
  spans.reduce((sum, { from, to }) => sum + to - from, 0);

describe("a timeline", () => {
  test("gives every thread the causes that the accounts give it, to the nanosecond", () => {
    const timeline = check(0, 60 * MS);
    const result = runSimulation(WORLD);
    const spent = timeline.domains.map(({ threads }) =>
      threads.map(({ spans }) =>
        Object.fromEntries(
          CAUSES.map((cause) => [cause, length(spans.filter((span) => span.cause === cause))]),
        ),
      ),
    );
    expect(spent).toEqual(result.domains.map(({ tasks }) => tasks.map(({ causes }) => causes)));
  });

  test("covers every pCPU, vCPU and thread from end to end, without gap or overlap", () => {
    const timeline = check(10 * MS, 50 * MS);
    const tracks = [
      ...timeline.pcpus,
      ...timeline.domains.flatMap(({ vcpus, threads }) => [...vcpus, ...threads.map(({ spans }) => spans)]),
    ];
    for (const spans of tracks) {
      expect(length(spans)).toBe(40 * MS);
      expect(spans.slice(1).map(({ from }) => from)).toEqual(spans.slice(0, -1).map(({ to }) => to));
    }
  });

  test("agrees between pCPUs and vCPUs: as much runs here as there", () => {
    const { pcpus, domains } = check(0, 60 * MS);
    const onPcpus = length(pcpus.flat().filter(({ runs }) => runs !== null));
    const onVcpus = length(domains.flatMap(({ vcpus }) => vcpus.flat()).filter(({ pcpu }) => pcpu !== null));
    expect(onPcpus).toBe(onVcpus);
  });

  test("says of strict gangs where a pCPU idles though work waits (B-29)", () => {
    const config: SimulationConfig = {
      ...WORLD,
      machine: { topology: { pcpus: 4 } },
      host: { scheduler: { kind: "strict-co" } },
    };
    const wasted = check(0, 60 * MS, config)
      .pcpus.flat()
      .filter(({ isIdleWhileWaiting }) => isIdleWhileWaiting);
    expect(length(wasted)).toBeGreaterThan(30 * MS);
  });

  test("counts what it had no room for", () => {
    expect(recordTimeline(WORLD, { from: 0, to: 60 * MS, records: 100 }).lost).toBeGreaterThan(0);
  });
});

describe("a Perfetto trace", () => {
  const timeline = check(0, 60 * MS);
  const decoded = decodePerfetto(perfettoTrace(timeline));

  test("has a track per pCPU, vCPU and thread, in order under its group", () => {
    const names = (parent: string): string[] =>
      decoded.tracks.filter((track) => track.parent === parent).map(({ name }) => name);
    expect(decoded.tracks.filter(({ parent }) => parent === null).map(({ name }) => name)).toEqual([
      "pCPUs",
      "a",
      "b",
    ]);
    expect(names("pCPUs")).toEqual(["pCPU 0", "pCPU 1", "pCPU 2", "pCPUs in use"]);
    expect(names("a")).toEqual([
      "online vCPUs",
      "vCPUs that wait for a pCPU",
      "vCPU 0",
      "vCPU 1",
      "vCPU 2",
      "worker 0",
      "worker 1",
      "worker 2",
    ]);
  });

  test("ends every slice that it begins, inner ones first, times ascending", () => {
    expect(decoded.faults).toEqual([]);
  });

  test("shows what the timeline says: each thread's slices are its spans", () => {
    const { spans } = timeline.domains[0]!.threads[1]!;
    const slices = decoded.slices.filter(({ track }) => track === "a/worker 1");
    expect(slices.map(({ from, to, name }) => ({ from, to, cause: name }))).toEqual(
      spans.map(({ from, to, cause }) => ({ from, to, cause })),
    );
  });

  test("shows on a pCPU who runs there, and on a vCPU where", () => {
    const onPcpu = decoded.slices.filter(
      ({ track, name }) => track === "pCPUs/pCPU 1" && name === "b vCPU 2",
    );
    const onVcpu = decoded.slices.filter(({ track, name }) => track === "b/vCPU 2" && name === "on pCPU 1");
    expect(onPcpu.length).toBeGreaterThan(0);
    expect(onVcpu.map(({ from, to }) => [from, to])).toEqual(onPcpu.map(({ from, to }) => [from, to]));
  });

  test("has a flow with two ends for each lock passed on and each interrupt, arriving no earlier than it left", () => {
    expect(decoded.flows).toHaveLength(timeline.arrows.length);
    expect(new Set(decoded.flows.map(({ leaves }) => leaves.name))).toEqual(
      new Set(["passes lock", "sends wake-up", "sends shootdown"]),
    );
    for (const { leaves, arrives } of decoded.flows) expect(leaves.at).toBeLessThanOrEqual(arrives.at);
  });

  test("counts as many vCPUs as its slices show: on pCPUs, online, and waiting for a pCPU", () => {
    const counted = Object.keys(decoded.counters);
    expect(counted.sort()).toEqual([
      "a/online vCPUs",
      "a/vCPUs that wait for a pCPU",
      "b/online vCPUs",
      "b/vCPUs that wait for a pCPU",
      "pCPUs/pCPUs in use",
    ]);
    const at = (path: string, moment: number): number =>
      decoded.counters[path]!.filter(([from]) => from <= moment).at(-1)![1];
    for (let moment = 0.5 * MS; moment < 60 * MS; moment += 1.7 * MS) {
      const covers = ({ from, to }: { from: number; to: number }): boolean => from <= moment && moment < to;
      const now = decoded.slices.filter(covers);
      expect(at("pCPUs/pCPUs in use", moment)).toBe(
        now.filter(({ track }) => track.startsWith("pCPUs")).length,
      );
      const waiting = now.filter(({ track, name }) => track.startsWith("a/vCPU") && name === "steal").length;
      expect(at("a/vCPUs that wait for a pCPU", moment)).toBe(waiting);
      expect(at("a/online vCPUs", moment)).toBe(3);
    }
  });

  test("an interrupt for a preempted vCPU arrives when that is back", () => {
    const waits = decoded.flows.filter(
      ({ leaves, arrives }) => leaves.name === "sends shootdown" && leaves.at < arrives.at,
    );
    expect(waits.length).toBeGreaterThan(0);
  });
});

test("protocol buffers: numbers as varints, flows as 64 bits, lengths before messages (hand-made bytes)", () => {
  const out = new ProtobufWriter();
  out.varint(1, 300);
  out.varint(2, 2 ** 40 + 5);
  out.text(3, "é");
  out.fixed64(4, 2 ** 33 + 1);
  out.message(5, () => out.varint(1, 0));
  expect([...out.finish()]).toEqual(
    [
      [0x08, 0xac, 0x02],
      [0x10, 0x85, 0x80, 0x80, 0x80, 0x80, 0x20],
      [0x1a, 0x02, 0xc3, 0xa9],
      [0x21, 0x01, 0, 0, 0, 0x02, 0, 0, 0],
      [0x2a, 0x82, 0x80, 0x80, 0x00, 0x08, 0x00],
    ].flat(),
  );
});

describe("a picture", () => {
  const svg = ganttSvg(check(0, 60 * MS), "a < b");

  test("has a row per pCPU and vCPU, a legend of what occurs, and a scale", () => {
    const texts = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
    expect(texts).toEqual(
      expect.arrayContaining(["a &lt; b", "pCPU 2", "a vCPU 0", "b vCPU 2", "0 ms", "60 ms"]),
    );
    expect(texts).toEqual(
      expect.arrayContaining(["spins, the holder is preempted", "runnable, waits for a pCPU"]),
    );
    expect(texts).not.toContain("stopped by co-scheduling");
  });

  test("defines every pattern that it uses", () => {
    const used = new Set([...svg.matchAll(/url\(#([\w-]+)\)/g)].map(([, id]) => id!));
    expect(used.size).toBeGreaterThan(2);
    for (const id of used) expect(svg).toContain(`<pattern id="${id}"`);
  });

  test("keeps every span within the scale", () => {
    const rects = [...svg.matchAll(/<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/g)];
    expect(rects.length).toBeGreaterThan(50);
    for (const [, x, width] of rects) expect(Number(x) + Number(width)).toBeLessThanOrEqual(1110.01);
  });
});

test("CSV: dotted columns, lists left out, quotes doubled, null empty", () => {
  const rows = [
    { a: 1, b: { c: 'say "x", y', d: null }, e: [1, 2] },
    { a: 2, b: { c: "z" }, f: true },
  ];
  expect(renderCsv(rows)).toBe('a,b.c,b.d,f\n1,"say ""x"", y",,\n2,z,,true');
});
