#!/usr/bin/env node
/** The `vbal` program. */
import { readFileSync } from "node:fs";
import { runProgram } from "./program.ts";
import { processTerminal } from "./terminal.ts";

// A reader that went away (`vbal plan | head`) is no fault.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};
// Not process.exit: what was printed into a pipe must still reach it.
process.exitCode = await runProgram(process.argv.slice(2), version, processTerminal());
