/** Reads a scenario file that a person named, and the files that it names, or says where it is wrong. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseScenario, type Scenario } from "../sim/scenario/scenario.ts";
import { badFile } from "./cli_error.ts";
import { readNamedFile } from "./read_file.ts";

export async function readScenarioFile(file: string): Promise<Scenario> {
  const folder = file === "-" ? "." : dirname(file);
  const parsed = parseScenario({ file, text: await readNamedFile(file) }, (neighbour) =>
    readFileSync(resolve(folder, neighbour), "utf8"),
  );
  if ("faults" in parsed) throw badFile(parsed.faults);
  return parsed.value;
}
