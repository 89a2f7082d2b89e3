/** From what a domain's `workload` says to the workload itself: named, from an rt-app file, or written out. */
import { closest } from "../../protocol/closest.ts";
import type { FieldPath } from "../../protocol/fault.ts";
import { LIBRARY } from "../workload/library/library.ts";
import { valuesOf } from "../workload/library/library_workload.ts";
import type { Workload } from "../workload/program.ts";
import type { Complain } from "./complain.ts";
import { parseRtApp } from "./rt_app.ts";
import type { WrittenDomain } from "./scenario_schema.ts";

/** The text of a file that the scenario names, relative to the scenario's folder; throws when there is none. */
export type ReadNeighbour = (path: string) => string;

interface Context {
  readonly file: string;
  readonly read: ReadNeighbour;
  readonly complain: Complain;
}

/** After a complaint, a workload that does nothing. */
export function resolveWorkload(
  { workload, vcpus }: WrittenDomain,
  path: FieldPath,
  context: Context,
): Workload {
  if ("inline" in workload) return workload.inline;
  return "rtApp" in workload
    ? fromRtApp(workload.rtApp, [...path, "rtApp"], context)
    : fromLibrary(workload, vcpus, path, context);
}

const NOTHING: Workload = { tasks: [{ count: 1, program: [] }] };

function fromLibrary(
  { library, threads, scale, set }: Extract<WrittenDomain["workload"], { readonly library: string }>,
  vcpus: number,
  path: FieldPath,
  { complain }: Context,
): Workload {
  const known = LIBRARY.find(({ name }) => name === library);
  if (known === undefined) {
    const names = LIBRARY.map(({ name }) => name);
    const meant = closest(library, names);
    complain(
      path,
      `There is no workload ${JSON.stringify(library)}`,
      meant === null ? `Use one of: ${names.join(", ")}` : `Did you mean ${JSON.stringify(meant)}?`,
    );
    return NOTHING;
  }
  for (const key of Object.keys(set ?? {})) {
    if (!Object.hasOwn(known.parameters, key)) {
      complain(
        [...path, "set", key],
        `The workload ${library} has no parameter ${JSON.stringify(key)}`,
        `Set one of: ${Object.keys(known.parameters).join(", ")}`,
      );
    }
  }
  return known.build({ threads: threads ?? vcpus, scale: scale ?? 1, values: valuesOf(known, set) });
}

function fromRtApp(file: string, path: FieldPath, { read, complain }: Context): Workload {
  let text: string;
  try {
    text = read(file);
  } catch (error) {
    complain(
      path,
      `The file ${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      "Name a file next to the scenario",
    );
    return NOTHING;
  }
  const parsed = parseRtApp({ file, text });
  if ("value" in parsed) return parsed.value;
  for (const { line, column, rule, fix, path: field } of parsed.faults) {
    complain(path, `${file}:${line}:${column}: ${field === "" ? "" : `${field}: `}${rule}`, fix);
  }
  return NOTHING;
}
