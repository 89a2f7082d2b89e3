/** What a guest's load monitor says, each measure beside its threshold (protocol/state_view.ts). Pure. */
import { COMBINATIONS } from "../agent/monitor/combination.ts";
import { MEASURES } from "../agent/monitor/measure.ts";
import type { DomainLoad } from "../hypervisor/port.ts";
import type { LoadView, MeasureView } from "../protocol/state_view.ts";

export function loadViewOf(load: DomainLoad): LoadView {
  const { thresholds, degraded, unknown } = load;
  const made = MADE.get(load.measures);
  const isSame = made?.thresholds === thresholds && made.degraded === degraded && made.unknown === unknown;
  if (made !== undefined && isSame) return made.view;
  const view = viewOf(load);
  MADE.set(load.measures, { thresholds, degraded, unknown, view });
  return view;
}

/** A view is made every second, and measures come every ten, or sixty. */
const MADE = new WeakMap<
  DomainLoad["measures"],
  Pick<DomainLoad, "thresholds" | "degraded" | "unknown"> & { readonly view: LoadView }
>();

function viewOf({ measures, thresholds, degraded, unknown }: DomainLoad): LoadView {
  const inForce = new Map(thresholds.map((threshold) => [threshold.measure, threshold]));
  const most = Math.max(0, ...measures.map(({ subjects }) => subjects.length));
  return {
    measures: measures.map(({ measure, subjects, values }): MeasureView => {
      const threshold = inForce.get(measure);
      return {
        measure,
        unit: UNITS.get(measure) ?? "",
        subjects: subjects.slice(0, SUBJECTS_SHOWN_MAX),
        values: values.slice(0, SUBJECTS_SHOWN_MAX),
        threshold: threshold?.value ?? null,
        origin: threshold?.origin ?? null,
      };
    }),
    degraded: [
      ...degraded,
      ...(SUBJECTS_SHOWN_MAX < most
        ? [`Only the first ${SUBJECTS_SHOWN_MAX} of ${most} vCPUs are shown`]
        : []),
      ...(unknown.length > 0 ? [`The guest's agent does not know ${unknown.join(", ")}`] : []),
    ],
  };
}

/** A view is sent every second to everybody who watches. */
const SUBJECTS_SHOWN_MAX = 64;

/** A measure of a newer agent has none here. */
const UNITS: ReadonlyMap<string, string> = new Map([
  ...MEASURES.map(({ id, unit }) => [id, unit] as const),
  ...COMBINATIONS.map(({ id }) => [id, "ratio"] as const),
]);
