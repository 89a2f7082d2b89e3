/** Calibration apart from validation: what is fitted, to what, and that the committed file is what the fits may write. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { LIBRARY } from "../../sim/workload/library/library.ts";
import { valuesOf } from "../../sim/workload/library/library_workload.ts";
import { parseCalibration, renderCalibration } from "./calibration.ts";
import { FITS } from "./targets.ts";

describe("targets", () => {
  const cells = FITS.flatMap(({ program, targets }) => {
    const own = valuesOf(LIBRARY.find(({ name }) => name === program)!);
    return targets.flatMap((target) => target.cells(own));
  });

  test("are single VMs with a pCPU for every vCPU: whatever is overcommitted stays a prediction", () => {
    const overcommitted = cells.filter(({ scenario: { config } }) => {
      const { topology } = config.machine;
      const pcpus = "places" in topology ? topology.places.length : topology.pcpus;
      return config.domains.length !== 1 || pcpus < config.domains[0]!.vcpus;
    });
    expect(cells.length).toBeGreaterThan(10);
    expect(overcommitted.map(({ id }) => id)).toEqual([]);
  });

  test("have one host scheduler and no controller: no parameter can depend on a policy or platform", () => {
    expect(new Set(cells.map(({ scenario }) => scenario.config.host.scheduler.kind))).toEqual(
      new Set(["credit"]),
    );
    expect(cells.flatMap(({ scenario }) => scenario.controllers)).toEqual([]);
  });

  test("name parameters that their programs have", () => {
    for (const { program, parameters } of FITS) {
      const known = Object.keys(LIBRARY.find(({ name }) => name === program)!.parameters);
      expect(known).toEqual(expect.arrayContaining([...parameters]));
    }
  });
});

describe("the committed result", () => {
  const text = readFileSync(new URL("../../../studies/calibration.yaml", import.meta.url), "utf8");

  test("sets what was fitted, and nothing besides", () => {
    const { set } = parseCalibration(text);
    expect(
      Object.fromEntries(Object.entries(set).map(([program, own]) => [program, Object.keys(own)])),
    ).toEqual(Object.fromEntries(FITS.map(({ program, parameters }) => [program, [...parameters]])));
  });

  test("a rendered result reads back as what scenarios take", () => {
    const target = { what: "w", source: "s", wanted: 1, tolerance: 0.1, before: 0.123456, after: 1 };
    const fit = {
      program: "mm",
      before: { work: 1 },
      after: { work: 2.5 },
      evaluations: 3,
      targets: [target],
    };
    const file = renderCalibration([fit], "1.2.3");
    expect(parseCalibration(file)).toEqual({ set: { mm: { work: 2.5 } } });
    expect(file).toContain("before: 0.1235");
  });
});
