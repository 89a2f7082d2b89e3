/** `vbal sim calibrate`: fits the named workloads' parameters to single VMs. */
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { integer } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import { calibrate } from "../study/calibrate/calibrate.ts";
import { renderCalibration } from "../study/calibrate/calibration.ts";
import { createRunPool } from "../study/runs/run_pool.ts";
import { type Column, renderTable } from "./columns.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { packageVersion } from "./package_version.ts";
import { renderJson } from "./render_json.ts";
import { simulated } from "./sim_run.ts";
import { CALIBRATION_FILE, RUN_WORKER } from "./study_files.ts";

const COLUMNS: readonly Column[] = [
  { title: "program", align: "left" },
  { title: "target", align: "left", shrinkTo: 24 },
  { title: "wanted", align: "right" },
  { title: "library", align: "right" },
  { title: "fitted", align: "right" },
];

export const simCalibrateCommand: Command = command(
  "calibrate",
  map(
    object({
      out: optional(
        option("--out", path({ metavar: "FILE" }), {
          description: message`In place of the file that reproduce reads, studies/calibration.yaml.`,
        }),
      ),
      workers: optional(
        option("--workers", integer({ min: 1, max: 1024, metavar: "N" }), {
          description: message`Threads to run on, all cores when absent; the result does not depend on it.`,
        }),
      ),
      json: jsonOption(),
    }),
    ({ out = fileURLToPath(CALIBRATION_FILE), workers, json }): Deed =>
      async (terminal) => {
        const pool = createRunPool({ workers: workers ?? availableParallelism(), workerFile: RUN_WORKER });
        try {
          const fits = await simulated(() =>
            calibrate(pool, (done, of, program) =>
              terminal.printError(`${program}: fit ${done + 1} of ${of}`),
            ),
          );
          writeFileSync(out, renderCalibration(fits, packageVersion()));
          const digits = (value: number): string => String(Number(value.toPrecision(3)));
          const rows = fits.flatMap(({ program, targets }) =>
            targets.map(({ what, wanted, before, after }) =>
              [program, what, digits(wanted), digits(before), digits(after)].map((text) => ({ text })),
            ),
          );
          const width = terminal.columns();
          const table = renderTable({ columns: COLUMNS, rows, width, titleLook: terminal.style.faint });
          terminal.print(json ? renderJson({ fits }, terminal) : [...table, "", out].join("\n"));
          return EXIT_CODE.ok;
        } finally {
          await pool.close();
        }
      },
  ),
  {
    brief: message`Fit the workloads' parameters to what single VMs are known to show.`,
    description: message`Only single VMs and the shape of Figure 2: whatever is overcommitted stays a prediction.`,
    footer: commandExamples(
      ["vbal sim calibrate", "writes studies/calibration.yaml"],
      ["vbal sim calibrate --out mine.yaml", "elsewhere"],
    ),
  },
);
