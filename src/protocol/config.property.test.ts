/** Whatever stands in a config, its faults are told and point into it. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseConfig } from "./config.ts";

/** What may have a threshold. */
const MEASURES = ["vm.runnable-threads", "vm.composite", "vm.composite:vm.switches"];

test("no text whatever makes it throw, and every fault points into the text", () => {
  const example = readFileSync(new URL("../../examples/vbal.yaml", import.meta.url), "utf8");
  const lines = example.split("\n").filter((line) => !line.trim().startsWith("#"));
  const scrap = fc.oneof(
    fc.constantFrom(
      ...lines,
      "domains:",
      "pool: 0-3",
      "- a",
      "{}",
      "? [a]",
      "&x",
      "*x",
      "null:",
      "1: {}",
      "<<: *x",
    ),
    fc.string({ unit: "binary-ascii", maxLength: 12 }),
  );
  fc.assert(
    fc.property(fc.array(scrap, { maxLength: 12 }), (scraps) => {
      const text = scraps.join("\n");
      const result = parseConfig({ file: "c.yaml", text, measures: MEASURES });
      if ("config" in result) return true;
      const { length } = text.split(/\r\n|\r|\n/);
      return result.errors.every(({ line, column }) => 1 <= line && line <= length + 1 && 1 <= column);
    }),
    { numRuns: 500 },
  );
  expect(lines.length).toBeGreaterThan(10);
});
