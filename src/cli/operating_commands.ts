/** The commands of whoever runs a host; the daemon is one of them, so nothing here brings the simulator or the lab along. */
import { or } from "@optique/core/constructs";
import type { Parser } from "@optique/core/parser";
import { agentConfigCommand } from "./agent_config.ts";
import type { Deed } from "./command.ts";
import { doctorCommand } from "./doctor.ts";
import { explainCommand } from "./explain.ts";
import { pageCommand } from "./page.ts";
import { pauseCommand, resumeCommand } from "./pause.ts";
import { planCommand } from "./plan.ts";
import { adoptCommand, releaseCommand } from "./release.ts";
import { replayCommand } from "./replay.ts";
import { requestCommand } from "./request.ts";
import { setCommand } from "./set.ts";
import { statusCommand } from "./status.ts";
import { topCommand } from "./top.ts";
import { upCommand } from "./up.ts";

export const operatingCommands: Parser<"sync", Deed> = or(
  upCommand,
  statusCommand,
  topCommand,
  planCommand,
  explainCommand,
  setCommand,
  requestCommand,
  agentConfigCommand,
  releaseCommand,
  adoptCommand,
  pauseCommand,
  resumeCommand,
  pageCommand,
  doctorCommand,
  replayCommand,
);
