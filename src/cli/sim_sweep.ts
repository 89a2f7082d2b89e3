/** `vbal sim sweep`: a scenario over any of its fields, on all cores; killed and started again it goes on. */
import { mkdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { argument, command, option } from "@optique/core/primitives";
import { integer } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import { openRunLog } from "../study/runs/run_log.ts";
import { createRunPool } from "../study/runs/run_pool.ts";
import { parseStudy, type Study } from "../study/sweep/study.ts";
import { sweep } from "../study/sweep/sweep.ts";
import { writeSweep } from "../study/sweep/write_sweep.ts";
import { badFile } from "./cli_error.ts";
import type { Command, Deed } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { packageVersion } from "./package_version.ts";
import { readNamedFile } from "./read_file.ts";
import { progressLine } from "./sim_progress.ts";
import { simulated } from "./sim_run.ts";
import { programDigest, RUN_WORKER } from "./study_files.ts";

export const simSweepCommand: Command = command(
  "sweep",
  map(
    object({
      study: argument(path({ metavar: "STUDY" })),
      out: optional(
        option("--out", path({ metavar: "FOLDER" }), {
          description: message`Where results and finished runs go; the study's name when absent.`,
        }),
      ),
      workers: optional(
        option("--workers", integer({ min: 1, max: 1024, metavar: "N" }), {
          description: message`Threads to run on, all cores when absent; results do not depend on it.`,
        }),
      ),
    }),
    ({ study: file, out, workers }): Deed =>
      async (terminal) => {
        const study = await readStudyFile(file);
        const folder = out ?? study.name;
        mkdirSync(folder, { recursive: true });
        const program = programDigest();
        const rows = await simulated(async () => {
          const log = openRunLog(join(folder, "runs.log"), `sweep by ${program}`);
          const count = Math.min(workers ?? availableParallelism(), study.cases.length * study.replications);
          const pool = createRunPool({ workers: count, workerFile: RUN_WORKER });
          try {
            return await sweep(study, { pool, log, onProgress: progressLine(terminal) });
          } finally {
            await pool.close();
            log.close();
          }
        });
        const files = writeSweep(folder, study, { rows, version: packageVersion(), program });
        const cases = `${study.cases.length} cases of ${study.replications}`;
        terminal.print(`${rows.length} runs (${cases})\n${Object.values(files).join("\n")}`);
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`Run a scenario over any of its fields; CSV, Parquet and a manifest come out.`,
    description: message`Finished runs are kept: a sweep that was killed goes on where it stopped, with the same bytes in the end.`,
    footer: commandExamples(
      ["vbal sim sweep studies/slices.yaml", "into the folder slices"],
      ["vbal sim sweep studies/slices.yaml --out /tmp/s --workers 1", "elsewhere, on one core"],
    ),
  },
);

async function readStudyFile(file: string): Promise<Study> {
  const folder = file === "-" ? "." : dirname(file);
  const text = await readNamedFile(file);
  let scenarioFolder = folder;
  const parsed = parseStudy({ file, text }, (neighbour, beside) => {
    const whole = resolve(beside === "study" ? folder : scenarioFolder, neighbour);
    if (beside === "study") scenarioFolder = dirname(whole);
    return readFileSync(whole, "utf8");
  });
  if ("faults" in parsed) throw badFile(parsed.faults);
  return parsed.value;
}
