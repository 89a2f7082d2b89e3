/**
 * What a command is: a parser whose value is the deed itself, still to be done. Each command file exports one; the
 * program (program.ts) only chooses between them.
 */

import { message } from "@optique/core/message";
import type { Parser } from "@optique/core/parser";
import { option } from "@optique/core/primitives";
import type { ExitCode } from "./exit_code.ts";
import type { Terminal } from "./terminal.ts";

/** Rejects with a `CliError` for what a person can put right. */
export type Deed = (terminal: Terminal) => Promise<ExitCode>;

export type Command = Parser<"sync", Deed>;

/** Every command that prints a result takes it. */
export function jsonOption(): Parser<"sync", boolean> {
  return option("--json", { description: message`Print JSON, for other programs; errors too.` });
}

/** For terminals and fonts without more than ASCII. */
export function asciiOption(): Parser<"sync", boolean> {
  return option("--ascii", { description: message`Use no characters beyond ASCII.` });
}
