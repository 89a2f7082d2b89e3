/** `vbal sim reproduce`: the paper's figures from simulation, each claim with its verdict. */
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { cwd } from "node:process";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, multiple, optional } from "@optique/core/modifiers";
import { argument, command, option } from "@optique/core/primitives";
import { choice, integer } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import { short } from "../study/plot/verdicts.ts";
import type { Claim } from "../study/reproduce/claim.ts";
import { renderBand, score } from "../study/reproduce/claim_text.ts";
import { EXPERIMENTS } from "../study/reproduce/experiments.ts";
import { logName, type Report, reproduce, studyName } from "../study/reproduce/reproduce.ts";
import { validationPage } from "../study/reproduce/validation_page.ts";
import { writeReport } from "../study/reproduce/write_report.ts";
import { openRunLog } from "../study/runs/run_log.ts";
import { createRunPool } from "../study/runs/run_pool.ts";
import { CliError } from "./cli_error.ts";
import { type Column, renderTable } from "./columns.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { packageVersion } from "./package_version.ts";
import { progressLine } from "./sim_progress.ts";
import { simulated } from "./sim_run.ts";
import { programDigest, RUN_WORKER, readStudyFiles } from "./study_files.ts";
import type { Terminal } from "./terminal.ts";

const FIGURES = EXPERIMENTS.map(({ figure }) => figure);

export const simReproduceCommand: Command = command(
  "reproduce",
  map(
    object({
      quick: option("--quick", { description: message`A first look in minutes: fewer and shorter runs.` }),
      out: optional(
        option("--out", path({ metavar: "FOLDER" }), {
          description: message`Where report, pictures and finished runs go; vbal-report when absent.`,
        }),
      ),
      validation: optional(
        option("--validation", path({ metavar: "FILE" }), {
          description: message`Also write the page docs/validation.md; needs all figures.`,
        }),
      ),
      workers: optional(
        option("--workers", integer({ min: 1, max: 1024, metavar: "N" }), {
          description: message`Threads to run on, all cores when absent; results do not depend on it.`,
        }),
      ),
      plain: option("--without-probes", {
        description: message`Do not test the reasons of what is out of its band; saves a third of the time.`,
      }),
      json: jsonOption(),
      figures: multiple(argument(choice(FIGURES, { metavar: "FIGURE" }))),
    }),
    ({ quick, out = "vbal-report", validation, workers, plain, json, figures }): Deed =>
      async (terminal) => {
        if (validation !== undefined && figures.length > 0) {
          throw new CliError(
            "usage",
            "The validation page needs all figures: leave the names of figures away",
          );
        }
        const { bands, calibration, explanations, probes, sensitivity } = readStudyFiles();
        const version = packageVersion();
        mkdirSync(out, { recursive: true });
        const report = await simulated(async () => {
          const study = studyName(programDigest());
          const log = openRunLog(join(out, logName(study)), study);
          const pool = createRunPool({ workers: workers ?? availableParallelism(), workerFile: RUN_WORKER });
          try {
            const mode = quick ? "quick" : "full";
            const onProgress = progressLine(terminal);
            return await reproduce({
              mode,
              figures,
              bands,
              calibration,
              explanations,
              probes: plain ? [] : probes,
              pool,
              log,
              onProgress,
            });
          } finally {
            await pool.close();
            log.close();
          }
        });
        const { page, pictures, withoutPng } = writeReport(out, report, { version, bands, sensitivity });
        if (withoutPng !== null) terminal.printError(withoutPng);
        if (validation !== undefined) {
          const flags = [...(quick ? ["--quick"] : []), ...(plain ? ["--without-probes"] : [])];
          const command = ["vbal sim reproduce", ...flags, "--validation", relative(cwd(), validation)].join(
            " ",
          );
          writeFileSync(validation, validationPage(report, { version, bands, command }));
        }
        if (json) terminal.print(JSON.stringify({ claims: report.claims }));
        else
          terminal.print(
            [...renderReport(report, terminal), `${page}, with ${pictures} pictures`].join("\n"),
          );
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`Regenerate the paper's figures, with a verdict for each claim.`,
    description: message`Runs that are done are kept in the folder: a run that is interrupted goes on where it stopped.`,
    footer: commandExamples(
      ["vbal sim reproduce --quick", "everything, in minutes"],
      ["vbal sim reproduce 6 7", "Figures 6 and 7, with intervals of 2 %"],
      ["vbal sim reproduce --quick --json", "the claims, for a program"],
    ),
  },
);

function renderReport({ sections, claims, mode }: Report, terminal: Terminal): string[] {
  const { style } = terminal;
  const columns: Column[] = [
    { title: "claim", align: "left" },
    { title: "what", align: "left", shrinkTo: 24 },
    { title: "published", align: "right", shrinkTo: 12 },
    { title: "predicted", align: "right" },
    { title: "band", align: "right" },
    { title: "verdict", align: "left" },
  ];
  const tables = sections.flatMap(({ experiment, claims: own }) => [
    style.title(experiment.title),
    ...renderTable({
      columns,
      rows: own.map((claim) =>
        [
          claim.id,
          claim.what,
          String(claim.published),
          short(claim.predicted),
          renderBand(claim),
          verdict(claim),
        ].map((text) => ({ text })),
      ),
      width: terminal.columns(),
      titleLook: style.faint,
    }),
    "",
  ]);
  return [...tables, `${score(claims)} (${mode} mode)`];
}

function verdict({ inside, role }: Claim): string {
  if (inside === null) return "input";
  const suffix = role === "calibrated" ? ", calibrated" : "";
  return `${inside ? "in" : "OUT"}${suffix}`;
}
