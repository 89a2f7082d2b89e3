/** Who is at the terminal, for the daemon's account of changes: "alice with vbal set". */
import type { Terminal } from "./terminal.ts";

export function authorOf({ environment }: Terminal, command: string): string {
  const user = environment["SUDO_USER"] || environment["USER"] || environment["LOGNAME"] || "somebody";
  const name = user.replace(/\p{C}/gu, "").slice(0, NAME_SHOWN_MAX);
  return `${name} with vbal ${command}`;
}

/** The daemon takes a line; a name longer than this is a mistake. */
const NAME_SHOWN_MAX = 40;
