/** What every benchmark does with its result: prints it, and keeps it with its rows where it is told to. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { option } from "@optique/core/primitives";
import { path } from "@optique/run/valueparser";
import { EXIT_CODE, type ExitCode } from "./exit_code.ts";
import { renderJson } from "./render_json.ts";
import type { Terminal } from "./terminal.ts";

export async function report(
  terminal: Terminal,
  done: {
    readonly name: string;
    readonly result: object;
    readonly lines: readonly string[];
    readonly out: string | undefined;
    readonly json: boolean;
  },
): Promise<ExitCode> {
  const { name, result, lines, out, json } = done;
  if (out !== undefined) await keep(out, { [`${name}.json`]: JSON.stringify(result) });
  terminal.print(json ? renderJson(result, terminal) : lines.join("\n"));
  return EXIT_CODE.ok;
}

export const outOption = (): Parser<"sync", string | undefined> =>
  optional(
    option("--out", path({ metavar: "FOLDER" }), {
      description: message`Keep the result with its raw rows in this folder.`,
    }),
  );

export async function keep(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), `${content}\n`);
}
