/** `vbal sim`: two-level scheduling on a simulated machine. */
import { or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { command } from "@optique/core/primitives";
import type { Command } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { simCalibrateCommand } from "./sim_calibrate.ts";
import { simLabCommand } from "./sim_lab.ts";
import { simListCommand } from "./sim_list.ts";
import { simReproduceCommand } from "./sim_reproduce.ts";
import { simRunCommand } from "./sim_run.ts";
import { simSensitivityCommand } from "./sim_sensitivity.ts";
import { simSwarmCommand } from "./sim_swarm.ts";
import { simSweepCommand } from "./sim_sweep.ts";
import { simTable1Command } from "./sim_table1.ts";
import { simTraceCommand } from "./sim_trace.ts";

export const simCommand: Command = command(
  "sim",
  or(
    simRunCommand,
    simTraceCommand,
    simReproduceCommand,
    simCalibrateCommand,
    simSensitivityCommand,
    simSweepCommand,
    simSwarmCommand,
    simTable1Command,
    simLabCommand,
    simListCommand,
  ),
  {
    brief: message`Simulate guests and their host.`,
    footer: commandExamples(
      ["vbal sim list", "scenarios, host schedulers and workloads"],
      ["vbal sim run scenarios/two-guests-barrier.yaml", "what becomes of each domain"],
      ["vbal sim trace scenarios/two-guests-barrier.yaml --out t.pftrace", "a timeline for ui.perfetto.dev"],
    ),
  },
);
