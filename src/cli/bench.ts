/** `vbal bench`: the benchmarks, each against what it is measured by. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional, withDefault } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { float, integer, string } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import { benchLab } from "../bench/lab/bench_lab.ts";
import { renderLabSvg, renderLabTable } from "../bench/lab/render_bench_lab.ts";
import { GUEST_PROGRAMS, type GuestProgram } from "../lab/guest_program.ts";
import { CliError } from "./cli_error.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";

const outOption = () =>
  optional(
    option("--out", path({ metavar: "FOLDER" }), {
      description: message`Keep the raw rows (JSON) and the picture (SVG) in this folder.`,
    }),
  );

const labBench = command(
  "lab",
  map(
    object({
      programs: withDefault(
        option("--programs", string({ metavar: "NAMES" }), {
          description: message`Programs, separated by commas; all when absent.`,
        }),
        GUEST_PROGRAMS.join(","),
      ),
      rounds: withDefault(
        option("--rounds", integer({ min: 1, max: 1000, metavar: "N" }), {
          description: message`How often every arm gets its turn, 10 when absent.`,
        }),
        10,
      ),
      scale: withDefault(
        option("--scale", float({ min: 0.001, max: 1000, metavar: "FACTOR" }), {
          description: message`The amount of work; 1 is some seconds on one vCPU.`,
        }),
        1,
      ),
      out: outOption(),
      json: jsonOption(),
    }),
    ({ programs, rounds, scale, out, json }): Deed =>
      async (terminal) => {
        const result = await benchLab({
          programs: parsePrograms(programs),
          rounds,
          scale,
          onProgress: (line) => terminal.printError(line),
        });
        if (out !== undefined) {
          await keep(out, { "lab.json": JSON.stringify(result, null, 1), "lab.svg": renderLabSvg(result) });
        }
        terminal.print(json ? JSON.stringify(result, null, 2) : renderLabTable(result).join("\n"));
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`Real guests: default scheduling, affinity, static VCPU-Bal and vbal, in turn.`,
    footer: commandExamples([
      "vbal bench lab --programs mm,compute --rounds 4 --json",
      "two programs, for a script",
    ]),
  },
);

export const benchCommand: Command = command("bench", labBench, {
  brief: message`Run a benchmark.`,
});

function parsePrograms(names: string): GuestProgram[] {
  return names.split(",").map((name) => {
    const program = GUEST_PROGRAMS.find((known) => known === name.trim());
    if (program === undefined) {
      throw new CliError(
        "usage",
        `There is no guest program ${name}; choose from ${GUEST_PROGRAMS.join(", ")}`,
      );
    }
    return program;
  });
}

async function keep(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), `${content}\n`);
}
