/** Entry on Node: node dist/agent/node/main.js --port ... */
import { runAgent } from "../run_agent.ts";
import { nodePlatform } from "./platform_node.ts";

runAgent(nodePlatform, {
  args: process.argv.slice(2),
  print: (text) => process.stdout.write(text),
  exit: (status) => process.exit(status),
  onStopSignal(call) {
    process.on("SIGTERM", call);
    process.on("SIGINT", call);
  },
});
