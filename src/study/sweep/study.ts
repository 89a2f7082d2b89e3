/**
 * A study file: a scenario and the fields of it that vary. Text in, the cases to run out, or all faults with line and
 * column. Pure but for `read`, which fetches the scenario and what it names.
 */
import { type Checked, checkShape, faultAt, inOrder } from "../../protocol/check_shape.ts";
import { digestOf } from "../../protocol/digest.ts";
import { type Fault, type FieldPath, renderPath } from "../../protocol/fault.ts";
import { type LocatedYaml, parseLocatedYaml } from "../../protocol/located_yaml.ts";
import { knownKeysOf } from "../../sim/scenario/choice.ts";
import { parseScenario, type Scenario } from "../../sim/scenario/scenario.ts";
import { override, type Place } from "./override.ts";
import { type Axis, STUDY, type WrittenStudy } from "./study_schema.ts";

export interface Study {
  /** The file's name without folder and ending. */
  readonly name: string;
  readonly why: string;
  readonly cases: readonly StudyCase[];
  readonly replications: number;
  readonly phaseNs: number;
  /** Names what is studied: the study's own words and the scenario's. */
  readonly digest: string;
}

export interface StudyCase {
  /** From 0, the last axis fastest. */
  readonly index: number;
  /** By field, as the study writes them. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly scenario: Scenario;
}

/** Text of a neighbour of the study, or of a neighbour of its scenario. */
export type ReadBeside = (path: string, beside: "study" | "scenario") => string;

/** More would be a year of computing; a slip in a range is likelier. */
const CASES_MAX = 100_000;

export function parseStudy(
  source: { readonly file: string; readonly text: string },
  read: ReadBeside,
): Checked<Study> {
  const located = parseLocatedYaml(source);
  if (Array.isArray(located)) return { faults: located };
  const checked = checkShape(located, STUDY, (path) => knownKeysOf(STUDY, located.value, path));
  if ("faults" in checked) return checked;
  const written = checked.value;
  const base = readBase(located, written, read);
  if ("faults" in base) return base;
  const shape = axisFaults(located, written.vary);
  if (shape.length > 0) return { faults: inOrder(shape) };
  const cases = casesOf(located, written, { base: base.value, read });
  if ("faults" in cases) return cases;
  return {
    value: {
      name: nameOf(source.file),
      why: written.why,
      cases: cases.value,
      replications: written.replications ?? cases.value[0]!.scenario.replications,
      phaseNs: written.phase ?? 0,
      digest: digestOf({ written, scenario: base.value.value }),
    },
  };
}

interface Base {
  readonly file: string;
  readonly value: unknown;
}

function readBase(located: LocatedYaml, { scenario }: WrittenStudy, read: ReadBeside): Checked<Base> {
  let text: string;
  try {
    text = read(scenario, "study");
  } catch (error) {
    const rule = `The scenario cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    return {
      faults: [faultAt(located, ["scenario"], { rule, fix: "Name a scenario file, relative to this one" })],
    };
  }
  const parsed = parseScenario({ file: scenario, text }, (path) => read(path, "scenario"));
  if ("faults" in parsed) return parsed;
  const own = parseLocatedYaml({ file: scenario, text });
  return Array.isArray(own) ? { faults: own } : { value: { file: scenario, value: own.value } };
}

function axisFaults(located: LocatedYaml, axes: readonly Axis[]): Fault[] {
  const faults: Fault[] = [];
  for (const [a, axis] of axes.entries()) {
    const lengths = Object.values(axis).map((values) => values.length);
    if (lengths.length === 0 || lengths.includes(0)) {
      const rule = "An axis has at least one field with at least one value";
      faults.push(faultAt(located, ["vary", a], { rule, fix: "Write `field: [values]`", value: undefined }));
    } else if (new Set(lengths).size > 1) {
      const rule = `Fields of one axis change together, so their lists are equally long, not ${lengths.join(" and ")}`;
      faults.push(
        faultAt(located, ["vary", a], { rule, fix: "Make them so, or write two axes", value: undefined }),
      );
    }
  }
  const cases = axes.reduce((product, axis) => product * (Object.values(axis)[0]?.length ?? 1), 1);
  if (CASES_MAX < cases) {
    const rule = `A study has at most ${CASES_MAX} cases, not ${cases}`;
    faults.push(faultAt(located, ["vary"], { rule, fix: "Vary less", value: undefined }));
  }
  return faults;
}

function casesOf(
  located: LocatedYaml,
  { vary, seed }: WrittenStudy,
  { base, read }: { readonly base: Base; readonly read: ReadBeside },
): Checked<StudyCase[]> {
  const faults = new Map<string, Fault>();
  const cases: StudyCase[] = [];
  for (const choices of combinations(vary.map((axis) => Object.values(axis)[0]!.length))) {
    const scenario = structuredClone(base.value);
    const values: Record<string, unknown> = {};
    const origins: Origin[] = [];
    for (const [a, axis] of vary.entries()) {
      for (const [field, list] of Object.entries(axis)) {
        const value = list[choices[a]!];
        values[field] = value;
        const at: FieldPath = ["vary", a, field, choices[a]!];
        const done = override(scenario, field, value);
        if ("places" in done) origins.push({ at, places: done.places });
        else
          addFault(faults, faultAt(located, at, { rule: done.blocked, fix: "Name a field of the scenario" }));
      }
    }
    const parsed = parseScenario({ file: base.file, text: JSON.stringify(scenario) }, (path) =>
      read(path, "scenario"),
    );
    if ("faults" in parsed) {
      for (const fault of parsed.faults) addFault(faults, fromScenario(located, fault, origins));
    } else {
      const { config } = parsed.value;
      const own = seed === undefined ? parsed.value : { ...parsed.value, config: { ...config, seed } };
      cases.push({ index: cases.length, values, scenario: own });
    }
  }
  return faults.size > 0 ? { faults: inOrder([...faults.values()]) } : { value: cases };
}

/** Where a value stands in the study, and where it went in the scenario. */
interface Origin {
  readonly at: FieldPath;
  readonly places: readonly Place[];
}

/** A fault of a case is told at the value that made it. */
function fromScenario(located: LocatedYaml, fault: Fault, origins: readonly Origin[]): Fault {
  const touches = (place: Place): boolean => {
    const path = renderPath(place);
    return path.startsWith(fault.path) || fault.path.startsWith(path);
  };
  const origin = origins.find(({ places }) => places.some(touches));
  const rule = `In the scenario, at ${fault.path || "its top"}: ${fault.rule}`;
  return faultAt(located, origin?.at ?? ["vary"], {
    rule,
    fix: fault.fix,
    // A field that is not there has no value to quote.
    ...(origin === undefined || fault.value === "" ? { value: undefined } : {}),
  });
}

/** The same slip shows in many cases; it is told once. */
function addFault(faults: Map<string, Fault>, fault: Fault): void {
  faults.set(`${fault.line}:${fault.column}:${fault.rule}`, fault);
}

/** Every combination of one index below each length, the last fastest; one empty combination for no lengths. */
function combinations(lengths: readonly number[]): number[][] {
  return lengths.reduce<number[][]>(
    (all, length) => all.flatMap((chosen) => Array.from({ length }, (_, i) => [...chosen, i])),
    [[]],
  );
}

/** "studies/slices.yaml" is "slices". */
function nameOf(file: string): string {
  return file.replace(/^.*\//, "").replace(/\.(ya?ml|json)$/, "");
}
