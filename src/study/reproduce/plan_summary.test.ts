/** The plan's table (V4): stands only when all is there, and a criterion is met when all of its claims are. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseBands } from "./bands.ts";
import { judge } from "./claim.ts";
import { planSummary, renderMet } from "./plan_summary.ts";

const { claims: bands } = parseBands(
  readFileSync(new URL("../../../studies/bands.yaml", import.meta.url), "utf8"),
);
/** The middle of the band, which is inside; those named are far below. */
const claims = (out: readonly string[]) =>
  bands.map((band) => {
    const [low, high] = band.band;
    const inside = low === null ? high! : high === null ? low : (low + high) / 2;
    return judge(band, { estimate: { value: out.includes(band.id) ? -1e6 : inside } });
  });

test("every criterion is made of claims that have bands; all in: all met", () => {
  const rows = planSummary(claims([]));
  expect(rows).toHaveLength(12);
  expect(rows.filter(({ isMet }) => !isMet)).toEqual([]);
});

test("one claim out: its criterion is not met and says which, the others are", () => {
  const missed = planSummary(claims(["V-B28.min"])).filter(({ isMet }) => !isMet);
  expect(missed.map(renderMet)).toEqual(["not met: V-B28.min"]);
});

test("part of the figures says nothing of the whole", () => {
  expect(planSummary(claims([]).slice(0, 20))).toEqual([]);
});
