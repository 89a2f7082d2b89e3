/** The agent's arguments. They are few and the same on every platform, hence no library. */
export function parseCommandLine(args: readonly string[]): Command {
  if (args[0] === "measures") return parseMeasures(args.slice(1));
  let portPath: string | null = null;
  let recordPath = RECORD_PATH;
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
        if (value === undefined) return { kind: "wrong", why: `${args[i]} must be followed by a path` };
        if (args[i] === "--port") portPath = value;
        else recordPath = value;
        i++;
        break;
      default:
        return { kind: "wrong", why: `Unknown argument ${args[i]}` };
    }
  }
  return portPath === null
    ? { kind: "wrong", why: "Say which port leads to the host: --port /dev/virtio-ports/NAME" }
    : { kind: "serve", portPath, recordPath };
}

function parseMeasures(args: readonly string[]): Command {
  let json = false;
  let seconds = 1;
  for (let i = 0; i < args.length; i++) {
    switch (args[i]) {
      case "--help":
      case "-h":
        return { kind: "help" };
      case "--json":
        json = true;
        break;
      case "--seconds":
        seconds = Number(args[++i]);
        if (SECONDS_MIN <= seconds && seconds <= SECONDS_MAX) break;
        return {
          kind: "wrong",
          why: `--seconds must be followed by a number from ${SECONDS_MIN} to ${SECONDS_MAX}, not ${args[i] ?? "nothing"}`,
        };
      default:
        return { kind: "wrong", why: `Unknown argument ${args[i]} of measures` };
    }
  }
  return { kind: "measures", json, seconds };
}

/** Shorter intervals hold too few of the kernel's clock ticks; longer ones than an hour are no load of now. */
const SECONDS_MIN = 0.2;
const SECONDS_MAX = 3_600;

export type Command =
  | { readonly kind: "measures"; readonly json: boolean; readonly seconds: number }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "report"; readonly recordPath: string }
  | { readonly kind: "serve"; readonly portPath: string; readonly recordPath: string }
  | { readonly kind: "wrong"; readonly why: string };

/** Gone after a reboot, like everything that it describes. */
export const RECORD_PATH = "/run/vbal-agent.json";

export const HELP: string = `vbal-agent: lets the host change how many vCPUs this guest uses

  vbal-agent --port /dev/virtio-ports/NAME   serve the host on this port
  vbal-agent --once report                   print what would be reported, as JSON
  vbal-agent measures [--json] [--seconds N] every measure of load, over N seconds (1)
  vbal-agent --version, --help

  --record PATH   what was changed and how it was before (${RECORD_PATH})

It needs to be root. SIGTERM and SIGINT put every vCPU back as it was found; so does a host that stays silent
for longer than the patience it announced. Exit status: 0 done, 1 something could not be put back or the port
belongs to another program, 2 wrong arguments.
`;
