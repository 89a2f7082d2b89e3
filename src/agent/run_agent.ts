/** The program, whatever platform it runs on. */

import { unreachable } from "../core/unreachable.ts";
import { Agent } from "./agent.ts";
import { HELP, parseCommandLine } from "./command_line.ts";
import { measuresCommand } from "./measures_command.ts";
import type { Platform } from "./platform.ts";
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
      measuresCommand(platform, {
        json: command.json,
        seconds: command.seconds,
        print: (text) => program.print(text),
        end: () => program.exit(0),
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

function serve(platform: Platform, program: Program, paths: { portPath: string; recordPath: string }): void {
  const agent = new Agent(platform, {
    portPath: paths.portPath,
    recordPath: paths.recordPath,
    name: AGENT_NAME,
    onPortBusy: () => {
      platform.log(`Another program has ${paths.portPath} open: end it first`);
      program.exit(1);
    },
  });
  program.onStopSignal(() => program.exit(agent.stop() ? 0 : 1));
  agent.start();
}
