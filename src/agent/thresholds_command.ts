/**
 * `vbal-agent thresholds`: what each measure is held against, and every layer that has a say in it; as JSON also
 * how it comes about. */
import { COMBINATIONS } from "./monitor/combination.ts";
import { MEASURES } from "./monitor/measure.ts";
import {
  DEFAULT_THRESHOLDS,
  THRESHOLD_IDS,
  type ThresholdLayer,
  type Thresholds,
} from "./monitor/thresholds.ts";
import { textTable } from "./text_table.ts";

export function thresholdsText(thresholds: Thresholds, options: ThresholdsOptions): string {
  const about = new Map([...MEASURES, ...COMBINATIONS].map((measure) => [measure.id, measure]));
  const rows = THRESHOLD_IDS.map((id) => {
    const { value, origin } = thresholds.get(id) ?? { value: null, origin: "default" };
    const [measure, part] = id.split(":");
    const { requirement, what } = about.get(part ?? measure!)!;
    const registered = MEASURES.find((each) => each.id === (part ?? measure));
    const unit = registered?.unit ?? "ratio";
    const { aggregation, source, bound } = registered ?? COMBINED;
    // A layer that says nothing of an id has no field for it; `null` is "not watched".
    const layers = {
      ...said("default", DEFAULT_THRESHOLDS.values[id]),
      ...said("file", options.file[id]),
      ...said("host", options.host[id]),
    };
    return { id, requirement, threshold: value, unit, origin, layers, what, aggregation, source, bound };
  });
  if (options.json) return `${JSON.stringify({ thresholds: rows }, null, 2)}\n`;
  const cells = rows.map(({ id, requirement, threshold, unit, origin, layers, what }) => [
    requirement,
    id,
    shown(threshold),
    unit,
    origin,
    ...LAYERS.map((layer) => (layer in layers ? shown(layers[layer] ?? null) : "")),
    what,
  ]);
  const head = ["REQ", "MEASURE", "IN FORCE", "UNIT", "FROM", "DEFAULT", "FILE", "HOST", "WHAT"];
  return textTable([head, ...cells], { right: NUMBER_COLUMNS });
}

const COMBINED = { aggregation: "combination", source: "its parts", bound: "nothing more is read" };

export interface ThresholdsOptions {
  readonly json: boolean;
  readonly file: ThresholdLayer["values"];
  /** As the running agent has it from its host. */
  readonly host: ThresholdLayer["values"];
}

type Layers = Readonly<Partial<Record<(typeof LAYERS)[number], number | null>>>;

/** In the order of precedence, the last wins. */
const LAYERS = ["default", "file", "host"] as const;
const NUMBER_COLUMNS: readonly number[] = [2, 5, 6, 7];

function said(layer: (typeof LAYERS)[number], value: number | null | undefined): Layers {
  return value === undefined ? {} : { [layer]: value };
}

function shown(value: number | null): string {
  return value === null ? "-" : `${value}`;
}
