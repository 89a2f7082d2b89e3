/** The commands of whoever tries out, measures or studies. */
import { or } from "@optique/core/constructs";
import type { Parser } from "@optique/core/parser";
import { benchCommand } from "./bench.ts";
import type { Deed } from "./command.ts";
import { demoCommand } from "./demo.ts";
import { labCommand } from "./lab.ts";
import { simCommand } from "./sim.ts";
import { whatIfCommand } from "./whatif.ts";

export const studyingCommands: Parser<"sync", Deed> = or(
  demoCommand,
  benchCommand,
  labCommand,
  simCommand,
  whatIfCommand,
);
