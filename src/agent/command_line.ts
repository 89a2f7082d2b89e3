/** The agent's arguments. They are few and the same on every platform, hence no library. */
export function parseCommandLine(args: readonly string[]): Command {
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

export type Command =
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
  vbal-agent --version, --help

  --record PATH   what was changed and how it was before (${RECORD_PATH})

It needs to be root. SIGTERM and SIGINT put every vCPU back as it was found; so does a host that stays silent
for longer than the patience it announced. Exit status: 0 done, 1 something could not be put back or the port
belongs to another program, 2 wrong arguments.
`;
