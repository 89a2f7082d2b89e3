/** `vbal sim`: two-level scheduling on a simulated machine. */
import { or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { command } from "@optique/core/primitives";
import type { Command } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { simListCommand } from "./sim_list.ts";
import { simRunCommand } from "./sim_run.ts";

export const simCommand: Command = command("sim", or(simRunCommand, simListCommand), {
  brief: message`Simulate guests and their host.`,
  footer: commandExamples(
    ["vbal sim list", "scenarios, host schedulers and workloads"],
    ["vbal sim run scenarios/two-guests-barrier.yaml", "what becomes of each domain"],
  ),
});
