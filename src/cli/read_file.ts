/** Reads what a person named on the command line, and says it plainly when that cannot be read. */
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { CliError } from "./cli_error.ts";

/** `-` is standard input. A journal is read as latin1, everything else as UTF-8. */
export async function readNamedFile(file: string, encoding: "utf8" | "latin1" = "utf8"): Promise<string> {
  try {
    return file === "-" ? await text(process.stdin) : await readFile(file, encoding);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown";
    throw new CliError("badFile", `${file} cannot be read: ${WHY[code] ?? code}`);
  }
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file. Check the path",
  EACCES: "you may not read it. Run as its owner, or change its permissions",
  EISDIR: "it is a folder. Name a file in it",
};
