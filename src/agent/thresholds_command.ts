/** `vbal-agent thresholds`: what each measure is held against, and who said so. */
import { COMBINATIONS } from "./monitor/combination.ts";
import { MEASURES } from "./monitor/measure.ts";
import { THRESHOLD_IDS, type Thresholds } from "./monitor/thresholds.ts";
import { textTable } from "./text_table.ts";

export function thresholdsText(thresholds: Thresholds, options: { readonly json: boolean }): string {
  const about = new Map([...MEASURES, ...COMBINATIONS].map((measure) => [measure.id, measure]));
  const rows = THRESHOLD_IDS.map((id) => {
    const { value, origin } = thresholds.get(id) ?? { value: null, origin: "default" };
    const [measure, part] = id.split(":");
    const { requirement, what } = about.get(part ?? measure!)!;
    const unit = MEASURES.find((each) => each.id === (part ?? measure))?.unit ?? "ratio";
    return { id, requirement, threshold: value, unit, origin, what };
  });
  if (options.json) return `${JSON.stringify({ thresholds: rows }, null, 2)}\n`;
  const cells = rows.map(({ id, requirement, threshold, unit, origin, what }) => [
    requirement,
    id,
    threshold === null ? "-" : `${threshold}`,
    unit,
    origin,
    what,
  ]);
  return textTable([["REQ", "MEASURE", "THRESHOLD", "UNIT", "FROM", "WHAT"], ...cells], { right: [2] });
}
