#!/usr/bin/env node
/** The `vbal` program. */
import { readFileSync } from "node:fs";
import { runProgram } from "./program.ts";
import { processTerminal } from "./terminal.ts";

// A reader that went away (`vbal top | head`) ends the program as if it had been asked to: the daemon still puts
// everything back. What it prints on the way meets the same fault, which says nothing new.
let isReaderGone = false;
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  if (!isReaderGone) process.kill(process.pid, "SIGTERM");
  isReaderGone = true;
});

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};
// Not process.exit: what was printed into a pipe must still reach it.
process.exitCode = await runProgram(process.argv.slice(2), version, processTerminal());
