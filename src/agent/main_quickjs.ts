/** Entry of the static binary. */
// biome-ignore lint/style/useNodejsImportProtocol: this is a module of QuickJS, not of Node
import * as os from "os";
import * as std from "std";
import { quickjsPlatform } from "./platform_quickjs.ts";
import { runAgent } from "./run_agent.ts";

runAgent(quickjsPlatform, {
  args: scriptArgs.slice(1),
  print(text) {
    std.out.puts(text);
    std.out.flush();
  },
  exit: (status) => std.exit(status),
  onStopSignal(call) {
    os.signal(os.SIGTERM, call);
    os.signal(os.SIGINT, call);
  },
});
