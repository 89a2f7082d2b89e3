/** The API's thread (start_api.ts): serves every client, so that none of them ever takes time from the control loop. */
import { constants, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { askingTarget } from "./asking_target.ts";
import { type ApiServer, serveApi } from "./serve_api.ts";
import type { FromThread, ThreadStart, ToThread } from "./thread_messages.ts";

const port = parentPort!;
// On Linux a priority is the calling thread's: where pCPUs are short, the control loop goes first.
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
const send = (message: FromThread): void => port.postMessage(message);
const asking = askingTarget(send);
let server: ApiServer | null = null;

port.on("message", (message: ToThread) => {
  switch (message.kind) {
    case "answer":
    case "no-answer":
      asking.onAnswer(message);
      break;
    case "changed":
      server?.changed(message.facts);
      break;
    case "close":
      // The port is what keeps this thread alive.
      void (server?.close() ?? Promise.resolve()).finally(() => port.close());
      break;
  }
});

try {
  server = await serveApi({
    ...(workerData as ThreadStart),
    target: asking.target,
    onFault: (text) => send({ kind: "fault", text }),
  });
  send({ kind: "listening" });
} catch (error) {
  send({ kind: "failed", why: error instanceof Error ? error.message : String(error) });
}
