/** `vbal sim sensitivity`: on which constants the predicted gain hangs. */
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { integer } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import { logName, studyName } from "../study/reproduce/reproduce.ts";
import { openRunLog } from "../study/runs/run_log.ts";
import { createRunPool } from "../study/runs/run_pool.ts";
import { sensitivity } from "../study/sensitivity/sensitivity.ts";
import { renderSensitivity } from "../study/sensitivity/sensitivity_file.ts";
import { type Column, renderTable } from "./columns.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { packageVersion } from "./package_version.ts";
import { renderJson } from "./render_json.ts";
import { progressLine } from "./sim_progress.ts";
import { simulated } from "./sim_run.ts";
import { programDigest, RUN_WORKER, readStudyFiles, SENSITIVITY_FILE } from "./study_files.ts";

export const simSensitivityCommand: Command = command(
  "sensitivity",
  map(
    object({
      out: optional(
        option("--out", path({ metavar: "FOLDER" }), {
          description: message`Where finished runs are kept; vbal-report when absent.`,
        }),
      ),
      file: optional(
        option("--file", path({ metavar: "FILE" }), {
          description: message`In place of the file that reproduce draws, studies/sensitivity.yaml.`,
        }),
      ),
      workers: optional(
        option("--workers", integer({ min: 1, max: 1024, metavar: "N" }), {
          description: message`Threads to run on, all cores when absent; the result does not depend on it.`,
        }),
      ),
      json: jsonOption(),
    }),
    ({ out = "vbal-report", file = fileURLToPath(SENSITIVITY_FILE), workers, json }): Deed =>
      async (terminal) => {
        const { calibration } = readStudyFiles();
        mkdirSync(out, { recursive: true });
        const found = await simulated(async () => {
          const study = studyName(programDigest());
          const log = openRunLog(join(out, logName(study)), study);
          const pool = createRunPool({ workers: workers ?? availableParallelism(), workerFile: RUN_WORKER });
          const tell = progressLine(terminal);
          try {
            return await sensitivity({
              calibration,
              pool,
              log,
              onProgress: (_, done, of) => tell(done, of),
            });
          } finally {
            await pool.close();
            log.close();
          }
        });
        writeFileSync(file, renderSensitivity(found, packageVersion()));
        if (json) {
          terminal.print(renderJson(found, terminal));
          return EXIT_CODE.ok;
        }
        const digits = (value: number): string => String(Number(value.toPrecision(3)));
        const rows = found.morris.map(({ factor, muStar, sigma }) => {
          const index = found.sobol.find((each) => each.factor === factor);
          const sobol = index === undefined ? ["", ""] : [digits(index.first), digits(index.total)];
          return [factor, digits(muStar), digits(sigma), ...sobol].map((text) => ({ text }));
        });
        const width = terminal.columns();
        const table = renderTable({ columns: COLUMNS, rows, width, titleLook: terminal.style.faint });
        const gain = `VCPU-Bal takes ${digits(found.gain.mean)} % off the time, mean over three programs on Xen`;
        terminal.print([gain, "", ...table, "", file].join("\n"));
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`Find the constants on which the predicted gain hangs: Morris, then Sobol.`,
    footer: commandExamples(
      ["vbal sim sensitivity", "a quarter of an hour; rewrites studies/sensitivity.yaml"],
      ["vbal sim sensitivity --file s.yaml --json", "leaves that file alone"],
    ),
  },
);

const COLUMNS: readonly Column[] = [
  { title: "factor, half to twice its value", align: "left" },
  { title: "mu*", align: "right" },
  { title: "sigma", align: "right" },
  { title: "Sobol first", align: "right" },
  { title: "total", align: "right" },
];
