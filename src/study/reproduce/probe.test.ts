/** Probes: each changes what it says in the experiment of its claims, and the verdict follows from how far out a claim is. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { UNCALIBRATED } from "../calibrate/calibration.ts";
import { parseBands, parseExplanations } from "./bands.ts";
import { cell } from "./cell.ts";
import { judge } from "./claim.ts";
import { renderTested } from "./claim_text.ts";
import type { Group } from "./collect.ts";
import { ONE_TO_THREE } from "./example_band_suite.ts";
import { EXPERIMENTS } from "./experiments.ts";
import { type Change, outcomeOf, type Probe, parseProbes, probed } from "./probe.ts";

const read = (name: string) => readFileSync(new URL(`../../../studies/${name}`, import.meta.url), "utf8");
const PROBES = parseProbes(read("probes.yaml"));
const { claims } = parseBands(read("bands.yaml"));
const EXPLANATIONS = parseExplanations(read("explanations.yaml"));
const SETTING = { calibration: UNCALIBRATED, scale: 1, pilot: 1 };

describe("studies/probes.yaml", () => {
  test.each(PROBES.map((probe) => [probe.id, probe] as const))(
    "%s changes cells of each experiment it is about",
    (_, probe) => {
      for (const id of probe.claims) {
        const band = claims.find((claim) => claim.id === id);
        expect(band, id).toBeDefined();
        const experiment = EXPERIMENTS.find(({ figure }) => figure === band!.figure)!;
        const before = experiment.groups(SETTING);
        const after = probed(probe, before);
        expect(after.map(({ cells }) => cells.length)).toEqual(before.map(({ cells }) => cells.length));
      }
    },
  );

  test("is about claims whose reason is written down", () => {
    const ids = PROBES.flatMap((probe) => probe.claims);
    expect(ids.filter((id) => !Object.hasOwn(EXPLANATIONS, id))).toEqual([]);
    expect(new Set(PROBES.map(({ id }) => id)).size).toBe(PROBES.length);
  });
});

describe("a probe", () => {
  const world = (pcpus: number) => ({
    machine: { pcpus },
    host: { scheduler: "credit" },
    until: "1s",
    domains: [{ name: "vm1", vcpus: 1, workload: "compute" }],
  });
  const groups: Group[] = [
    { cells: [cell("a/x", world(2)), cell("b/x", world(2))], pairs: [["a/x", "b/x"]] },
  ];
  const probe = (change: Partial<Change>): Probe => ({
    id: "p",
    claims: ["V-B1"],
    with: "w",
    changes: [{ set: { "machine.pcpus": 3 }, ...change }],
  });
  const pcpus = (list: readonly Group[]) =>
    list[0]!.cells.map(({ scenario }) => {
      const { topology } = scenario.config.machine;
      return "pcpus" in topology ? topology.pcpus : 0;
    });

  test.each([
    { cells: undefined, expected: [3, 3] },
    { cells: "a/*", expected: [3, 2] },
    { cells: "a/x|*/x", expected: [3, 3] },
  ])("changes the cells $cells", ({ cells, expected }) => {
    expect(pcpus(probed(probe(cells === undefined ? {} : { cells }), groups))).toEqual(expected);
  });

  test("leaves other cells the same object, so that their runs are not made again", () => {
    expect(probed(probe({ cells: "a/*" }), groups)[0]!.cells[1]).toBe(groups[0]!.cells[1]);
  });

  test.each([
    { what: "no such cell", more: { cells: "c/*" } },
    { what: "no such domain", more: { set: { "domains.vm9.vcpus": 2 } } },
  ])("that changes nothing is our slip: $what", ({ more }) => {
    expect(() => probed(probe(more), groups)).toThrow("changes no cell");
  });
});

describe("the outcome, for a band from 1 to 3 and a prediction of 7 (6 to 8), which sticks out by 5", () => {
  const band = ONE_TO_THREE;
  const before = judge(band, { estimate: { value: 7, ci95: [6, 8] } });
  test.each([
    { ci95: [1.5, 2.5], outcome: "confirmed" },
    { ci95: [2.5, 3.5], outcome: "partly" },
    { ci95: [5.5, 6.7], outcome: "partly" },
    { ci95: [6, 7], outcome: "refuted" },
    { ci95: [9, 10], outcome: "refuted" },
    { ci95: [-4, -3], outcome: "refuted" },
  ] as const)("$ci95: $outcome", ({ ci95, outcome }) => {
    const after = judge(band, { estimate: { value: (ci95[0] + ci95[1]) / 2, ci95 } });
    expect(outcomeOf(before, after)).toBe(outcome);
  });

  test("is told beside the reason, and only of what is out", () => {
    const tested = [
      { probe: "p", with: "less of it", predicted: 2, ci95: [1.5, 2.5], outcome: "confirmed" },
    ] as const;
    expect(renderTested({ ...before, tested })).toBe("with less of it 2 [1.5, 2.5]: confirmed");
    expect(renderTested({ ...before, inside: true, tested })).toBe("");
  });
});
