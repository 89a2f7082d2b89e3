/** The agent's arguments. They are few and the same on every platform, hence no library. */
import { ASK_PATH, TARGET_MAX } from "./ask_pipe.ts";
import type { Asker } from "./asking.ts";
import { MONITOR_CONFIG_PATH } from "./monitor_config.ts";

export function parseCommandLine(args: readonly string[]): Command {
  if (args[0] === "measures" || args[0] === "thresholds") return parseMonitorCommand(args[0], args.slice(1));
  if (args[0] === "request") return parseRequestCommand(args.slice(1));
  let portPath: string | null = null;
  let recordPath = RECORD_PATH;
  let askPath = ASK_PATH;
  let configPath = MONITOR_CONFIG_PATH;
  for (let i = 0; i < args.length; i++) {
    const value = args[i + 1];
    switch (args[i]) {
      case "--help":
      case "-h":
        return { kind: "help" };
      case "--version":
        return { kind: "version" };
      case "--once":
        return value === "report"
          ? { kind: "report", recordPath }
          : { kind: "wrong", why: `--once must be followed by "report", not ${value ?? "nothing"}` };
      case "--port":
      case "--record":
      case "--ask":
      case "--config":
        if (value === undefined) return { kind: "wrong", why: `${args[i]} must be followed by a path` };
        if (args[i] === "--port") portPath = value;
        else if (args[i] === "--record") recordPath = value;
        else if (args[i] === "--ask") askPath = value;
        else configPath = value;
        i++;
        break;
      default:
        return { kind: "wrong", why: `Unknown argument ${args[i]}` };
    }
  }
  return portPath === null
    ? { kind: "wrong", why: "Say which port leads to the host: --port /dev/virtio-ports/NAME" }
    : { kind: "serve", portPath, recordPath, askPath, configPath };
}

function parseRequestCommand(args: readonly string[]): Command {
  let json = false;
  let askPath = ASK_PATH;
  let target: Asker["target"] = null;
  for (let i = 0; i < args.length; i++) {
    const value = args[i + 1];
    switch (args[i]) {
      case "--help":
      case "-h":
        return { kind: "help" };
      case "--json":
        json = true;
        break;
      case "--ask":
        if (value === undefined) return { kind: "wrong", why: "--ask must be followed by a path" };
        askPath = value;
        i++;
        break;
      case "--node":
      case "--proximity-domain": {
        const id = /^\d+$/.test(value ?? "") ? Number(value) : -1;
        if (target !== null || id < 0 || TARGET_MAX < id) {
          const rule = "must be followed by a number, and stand there once, in place of any other target";
          return { kind: "wrong", why: `${args[i]} ${rule}` };
        }
        target = { kind: args[i] === "--node" ? "node" : "proximity-domain", id };
        i++;
        break;
      }
      default:
        return { kind: "wrong", why: `Unknown argument ${args[i]} of request` };
    }
  }
  return { kind: "request", json, askPath, target };
}

function parseMonitorCommand(kind: "measures" | "thresholds", args: readonly string[]): Command {
  let json = false;
  let seconds = 1;
  let configPath = MONITOR_CONFIG_PATH;
  for (let i = 0; i < args.length; i++) {
    const value = args[i + 1];
    switch (args[i]) {
      case "--help":
      case "-h":
        return { kind: "help" };
      case "--json":
        json = true;
        break;
      case "--config":
        if (value === undefined) return { kind: "wrong", why: "--config must be followed by a path" };
        configPath = value;
        i++;
        break;
      case "--seconds":
        seconds = Number(value);
        if (kind !== "measures" || !(SECONDS_MIN <= seconds && seconds <= SECONDS_MAX)) {
          const rule = `a number from ${SECONDS_MIN} to ${SECONDS_MAX}`;
          return {
            kind: "wrong",
            why: `--seconds belongs to measures, with ${rule}, not ${value ?? "nothing"}`,
          };
        }
        i++;
        break;
      default:
        return { kind: "wrong", why: `Unknown argument ${args[i]} of ${kind}` };
    }
  }
  return kind === "measures" ? { kind, json, seconds, configPath } : { kind, json, configPath };
}

/** Shorter intervals hold too few of the kernel's clock ticks; longer ones than an hour are no load of now. */
const SECONDS_MIN = 0.2;
const SECONDS_MAX = 3_600;

export type Command =
  | {
      readonly kind: "measures";
      readonly json: boolean;
      readonly seconds: number;
      readonly configPath: string;
    }
  | { readonly kind: "thresholds"; readonly json: boolean; readonly configPath: string }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "report"; readonly recordPath: string }
  | {
      readonly kind: "request";
      readonly json: boolean;
      readonly askPath: string;
      readonly target: Asker["target"];
    }
  | {
      readonly kind: "serve";
      readonly portPath: string;
      readonly recordPath: string;
      readonly askPath: string;
      readonly configPath: string;
    }
  | { readonly kind: "wrong"; readonly why: string };

/** Gone after a reboot, like everything that it describes. */
export const RECORD_PATH = "/run/vbal-agent.json";

export const HELP: string = `vbal-agent: lets the host change how many vCPUs this guest uses

  vbal-agent --port /dev/virtio-ports/NAME   serve the host on this port
  vbal-agent --once report                   print what would be reported, as JSON
  vbal-agent measures [--json] [--seconds N] every measure of load, over N seconds (1)
  vbal-agent thresholds [--json]             what each measure is held against, and who said so
  vbal-agent request [--node N | --proximity-domain N] [--json]
                                             ask the host for one more vCPU, there or anywhere
  vbal-agent --version, --help

  --config PATH   settings of the load monitor (${MONITOR_CONFIG_PATH})
  --record PATH   what was changed and how it was before (${RECORD_PATH})
  --ask PATH      where the running agent hears \`request\` (${ASK_PATH})

It needs to be root. SIGTERM and SIGINT put every vCPU back as it was found; so does a host that stays silent
for longer than the patience it announced. Exit status: 0 done, 1 something could not be put back or the port
belongs to another program, 2 wrong arguments. Of \`request\`: 0 granted, 1 denied, 2 nobody answered, or wrong
arguments.
`;
