/** The program, whatever platform it runs on. */

import { unreachable } from "../core/unreachable.ts";
import { Agent } from "./agent.ts";
import { type Command, HELP, parseCommandLine } from "./command_line.ts";
import { HOST_LAYER_PATH, readHostLayer } from "./host_layer.ts";
import { measuresCommand } from "./measures_command.ts";
import { MONITOR_DEFAULTS, readMonitorConfig, thresholdsOf } from "./monitor_config.ts";
import type { Platform } from "./platform.ts";
import { requestCommand } from "./request_command.ts";
import { thresholdsText } from "./thresholds_command.ts";
import { VcpuBalloon } from "./vcpu_balloon.ts";

export function runAgent(platform: Platform, program: Program): void {
  const command = parseCommandLine(program.args);
  switch (command.kind) {
    case "help":
      program.print(HELP);
      program.exit(0);
      break;
    case "version":
      program.print(`${AGENT_NAME}\n`);
      program.exit(0);
      break;
    case "wrong":
      platform.log(`${command.why}\nSee vbal-agent --help`);
      program.exit(2);
      break;
    case "report": {
      const report = new VcpuBalloon(platform, command.recordPath).report();
      program.print(`${JSON.stringify(report, null, 2)}\n`);
      program.exit(0);
      break;
    }
    case "measures":
    case "thresholds":
      monitorCommand(platform, program, command);
      break;
    case "request":
      requestCommand(platform, {
        ...command,
        print: (text) => program.print(text),
        end: (status) => program.exit(status),
      });
      break;
    case "serve":
      serve(platform, program, command);
      break;
    default:
      unreachable(command);
  }
}

/** What a program has besides its platform. */
export interface Program {
  /** Without the program's own name. */
  readonly args: readonly string[];
  print(text: string): void;
  exit(status: number): void;
  /** SIGTERM and SIGINT. */
  onStopSignal(call: () => void): void;
}

/** The version is that of the package; package.json has the same, and a test holds them together. */
export const AGENT_NAME = "vbal-agent 0.1.0";

function monitorCommand(
  platform: Platform,
  program: Program,
  command: Extract<Command, { kind: "measures" | "thresholds" }>,
): void {
  const config = readMonitorConfig(platform, command.configPath);
  if (!config.ok) {
    platform.log(config.why);
    program.exit(2);
    return;
  }
  const host = readHostLayer(platform, HOST_LAYER_PATH);
  const thresholds = thresholdsOf(config.message, host);
  const { json } = command;
  const print = (text: string): void => program.print(text);
  const end = (): void => program.exit(0);
  if (command.kind === "measures") {
    measuresCommand(platform, { json, seconds: command.seconds, thresholds, print, end });
  } else {
    print(thresholdsText(thresholds, { json, file: config.message.file.values, host }));
    end();
  }
}

function serve(platform: Platform, program: Program, command: Extract<Command, { kind: "serve" }>): void {
  const { portPath, recordPath, askPath } = command;
  const config = readMonitorConfig(platform, command.configPath);
  if (!config.ok) platform.log(`${config.why}; the load monitor works with its defaults`);
  const agent = new Agent(platform, {
    portPath,
    recordPath,
    askPath,
    hostLayerPath: HOST_LAYER_PATH,
    monitor: config.ok ? config.message : MONITOR_DEFAULTS,
    name: AGENT_NAME,
    onPortBusy: () => {
      platform.log(`Another program has ${portPath} open: end it first`);
      program.exit(1);
    },
  });
  platform.goFirst();
  program.onStopSignal(() => program.exit(agent.stop() ? 0 : 1));
  agent.start();
}
