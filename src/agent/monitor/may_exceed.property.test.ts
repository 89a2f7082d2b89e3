/** The cheap look must never say no where the full one could say yes: for any guest. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { combineAll } from "./combination.ts";
import { DETECTOR_START, detect } from "./detect.ts";
import { loadOf } from "./load_suite.ts";
import { mayExceed } from "./may_exceed.ts";
import { measureAll } from "./measured.ts";
import { DEFAULT_THRESHOLDS, layered } from "./thresholds.ts";
import { watchedBy } from "./watched.ts";

test("for any guest and any thresholds: what a full measurement finds to exceed was possible", () => {
  const vcpu = fc.record({
    node: fc.nat(2),
    waiting: fc.double({ min: 0, max: 2, noNaN: true }),
    running: fc.double({ min: 0, max: 1, noNaN: true }),
    arrivals: fc.double({ min: 0, max: 1e5, noNaN: true }),
    idle: fc.double({ min: 0, max: 1, noNaN: true }),
    share: fc.double({ min: 0, max: 100, noNaN: true }),
    same: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  const value = fc.option(fc.double({ min: 0, max: 200, noNaN: true }));
  const values = fc.dictionary(
    fc.constantFrom(...layered([DEFAULT_THRESHOLDS]).keys(), "vm.switches", "node.cycles"),
    value,
  );
  fc.assert(
    fc.property(
      fc.array(vcpu, { minLength: 1, maxLength: 8 }),
      values,
      fc.option(fc.double({ min: 0, max: 2, noNaN: true })),
      (guest, own, waitingMin) => {
        const thresholds = layered([DEFAULT_THRESHOLDS, { origin: "file", values: own }]);
        const settings = { thresholds, sustainMs: 1_500, waitingMin };
        const loads = guest.map((is, i) =>
          loadOf(i, {
            node: is.node,
            waiting: is.waiting,
            cycles: 1e9,
            switches: is.arrivals * (1 + is.idle),
            "switches-same-process": is.arrivals * is.same,
            "switches-other-process": is.arrivals * (1 - is.same),
            "switch-share": is.share,
            "switch-share-same-process": is.share * is.same,
            "switch-share-other-process": is.share * (1 - is.same),
            "runnable-threads": is.running + is.waiting,
            "runnable-processes": (is.running + is.waiting) * is.same,
            "runnable-applications": is.running * is.same,
          }),
        );
        const plain = measureAll(loads);
        const thresholdOf = (id: string) => settings.thresholds.get(id)?.value ?? null;
        const measured = [...plain, ...combineAll(loads, plain, { thresholdOf })];
        const sample = { atMs: 1_000, intervalMs: 1_000, vcpus: loads, measured };
        const exceeds = 0 < detect(DETECTOR_START, sample, settings).detector.exceeding.size;
        const grown = guest.map((is, i) => ({ vcpu: i, ...is }));
        expect(!exceeds || mayExceed(grown, watchedBy(settings.thresholds), settings)).toBe(true);
      },
    ),
    { numRuns: 2_000 },
  );
});
