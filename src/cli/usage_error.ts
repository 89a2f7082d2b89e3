/** Turns what the parser says about a wrong command line into a sentence with a way out of it. */
import type { Parser } from "@optique/core/parser";
import { extractCommandNames, extractOptionNames } from "@optique/core/usage";
import { closest } from "../protocol/closest.ts";
import { CliError } from "./cli_error.ts";

export function usageError(
  complaint: string,
  args: readonly string[],
  program: Pick<Parser<"sync">, "usage">,
): CliError {
  const [first] = args;
  const isCommand = first !== undefined && extractCommandNames(program.usage).has(first);
  const help = isCommand ? `vbal ${first} --help` : "vbal --help";
  const said = complaint.replace(/^Error: /, "").replace(/\n\nDid you mean `(.*)`\?/, " Did you mean `$1`?");
  return new CliError("usage", `${said}${meantOption(said, program)}\nSee \`${help}\``);
}

/** The parser offers nearby commands by itself, but not the options within one. */
function meantOption(said: string, { usage }: Pick<Parser<"sync">, "usage">): string {
  const strange = /`(--[\w-]+)`/.exec(said)?.[1];
  if (strange === undefined || said.includes("Did you mean")) return "";
  const known = [...extractOptionNames(usage), "--help", "--version"];
  if (known.includes(strange)) return "";
  const near = closest(strange, known);
  return near === null ? "" : ` Did you mean \`${near}\`?`;
}
