/** Study files: which cases they make, and what is said about slips, with line and column. */
import { describe, expect, test } from "vitest";
import { renderFault } from "../../protocol/fault.ts";
import { parseStudy } from "./study.ts";

const SCENARIO = `why: two guests
machine: { pcpus: 4 }
host: { scheduler: credit }
until: 10ms
replications: 3
domains:
  - { name: a, vcpus: 2, workload: spinlock }
  - { name: b, vcpus: 2, workload: { name: compute } }
`;

function check(lines: readonly string[]) {
  const text = ["why: a study", "scenario: s.yaml", ...lines].join("\n");
  const parsed = parseStudy({ file: "study.yaml", text }, (path) => {
    if (path !== "s.yaml") throw new Error(`there is no ${path}`);
    return SCENARIO;
  });
  return "faults" in parsed ? parsed.faults.map(renderFault) : parsed.value;
}

function casesOf(...lines: string[]) {
  const study = check(lines);
  if (Array.isArray(study)) throw new Error(study.join("\n"));
  return (study as Exclude<typeof study, string[]>).cases;
}

describe("cases", () => {
  test("axes multiply, the last fastest; fields of one axis go together", () => {
    const cases = casesOf(
      "vary:",
      "  - { host.scheduler: [credit, cfs] }",
      "  - { domains.*.vcpus: [2, 4], tieSalt: [7, 8] }",
    );
    expect(cases.map(({ values }) => Object.values(values))).toEqual([
      ["credit", 2, 7],
      ["credit", 4, 8],
      ["cfs", 2, 7],
      ["cfs", 4, 8],
    ]);
    const { config } = cases[3]!.scenario;
    expect(config.host.scheduler).toEqual({ kind: "cfs" });
    expect(config.domains.map(({ vcpus }) => vcpus)).toEqual([4, 4]);
    expect(config.tieSalt).toBe(8);
  });

  test("a domain goes by its name; a field below a name makes that a map", () => {
    const [first] = casesOf(
      "vary: [{ domains.b.weight: [512], domains.a.workload.set.held: [3us], host.scheduler.slice: [10ms] }]",
    );
    const { host, domains } = first!.scenario.config;
    expect(domains.map(({ weight }) => weight)).toEqual([undefined, 512]);
    expect(host.scheduler).toEqual({ kind: "credit", slice: 10_000_000 });
    expect(JSON.stringify(domains[0]!.workload)).toContain('"mean":3000');
  });

  test("ranges: steps between two ends, linear or by equal factors", () => {
    const slices = (range: string) =>
      casesOf(`vary: [{ host.scheduler.slice: ${range} }]`).map(({ values }) => Object.values(values)[0]);
    expect(slices("{ from: 1ms, to: 3ms, steps: 3 }")).toEqual(["1000000ns", "2000000ns", "3000000ns"]);
    expect(slices("{ from: 1ms, to: 100ms, steps: 3, log: true }")).toEqual([
      "1000000ns",
      "10000000ns",
      "100000000ns",
    ]);
  });

  test("the study's seed takes the place of the scenario's; replications are the scenario's when absent", () => {
    expect(casesOf("seed: 9", "vary: [{ tieSalt: [0] }]")[0]!.scenario.config.seed).toBe(9);
    expect(check(["vary: [{ tieSalt: [0] }]"])).toMatchObject({ replications: 3, phaseNs: 0 });
  });
});

describe("slips", () => {
  test.each([
    {
      name: "a field that the scenario does not have",
      lines: ["vary: [{ host.schedular: [cfs] }]"],
      says: 'study.yaml:3:27: vary[0].host.schedular[0]: In the scenario, at host.schedular: There is no field "schedular" here. Did you mean "scheduler"?',
    },
    {
      name: "a value that the scenario refuses",
      lines: ["vary:", "  - domains.*.vcpus: [2, 0]"],
      says: "study.yaml:4:26: vary[0].domains.*.vcpus[1]: In the scenario, at domains[0].vcpus: The number of vCPUs is a whole number from 1 to",
    },
    {
      name: "a domain that is not there",
      lines: ["vary: [{ domains.web.vcpus: [2] }]"],
      says: "The scenario has no domain that domains.web.vcpus could mean",
    },
    {
      name: "lists of unequal length",
      lines: ["vary: [{ tieSalt: [1, 2], seed: [1] }]"],
      says: "Fields of one axis change together, so their lists are equally long, not 2 and 1",
    },
    {
      name: "a field of the study that there is not",
      lines: ["vary: []", "replication: 3"],
      says: 'study.yaml:4:1: replication: There is no field "replication" here. Did you mean "replications"?',
    },
    {
      name: "too many cases",
      lines: ["vary:", ...["tieSalt", "seed"].map((f) => `  - { ${f}: { from: 1, to: 1000, steps: 1000 } }`)],
      says: "A study has at most 100000 cases, not 1000000",
    },
    {
      name: "no list",
      lines: ["vary: [{ tieSalt: 3 }]"],
      says: "A field varies over a list of values, or a range",
    },
  ])("$name", ({ lines, says }) => {
    expect((check(lines) as string[]).join("\n")).toContain(says);
  });

  test("a scenario that cannot be read", () => {
    const parsed = parseStudy({ file: "x.yaml", text: "why: a\nscenario: other.yaml\nvary: []" }, () => {
      throw new Error("no such file");
    });
    expect("faults" in parsed && renderFault(parsed.faults[0]!)).toContain(
      "x.yaml:2:11: scenario: The scenario cannot be read: no such file",
    );
  });
});
