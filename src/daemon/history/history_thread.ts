/** The history's thread (start_history.ts): a slow or full disk keeps nobody waiting but itself. */
import { constants, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import type { HistorySample } from "./history_sample.ts";
import { HistoryStore } from "./history_store.ts";
import type { FromHistory, HistoryStart, ToHistory } from "./start_history.ts";

const port = parentPort!;
// On Linux a priority is the calling thread's: where pCPUs are short, the control loop goes first.
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
const { path, maxBytes } = workerData as HistoryStart;
const send = (message: FromHistory): void => port.postMessage(message);
const onFault = (text: string): void => send({ kind: "fault", text });

let store: HistoryStore | null = null;
let fault: string | null = null;

/** Opened with the first sample and again after a failure; so one that cannot be opened now may be later. */
function keep(samples: readonly HistorySample[]): void {
  try {
    store ??= new HistoryStore({ path, maxBytes, onFault });
    store.write(...samples);
    if (fault !== null) onFault(`The history ${path} is written again`);
    fault = null;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (fault === null) {
      onFault(
        `Cannot write the history ${path} (${why}); control goes on, and what happens meanwhile is not in the history. Make room, or check history.path and its folder's rights`,
      );
    }
    fault = why;
    close();
  }
}

function close(): void {
  try {
    store?.close();
  } catch (error) {
    onFault(`The history ${path} could not be closed: ${String(error)}`);
  }
  store = null;
}

port.on("message", (message: ToHistory) => {
  if (message === "close") {
    close();
    port.close();
    return;
  }
  keep(message);
  send({ kind: "kept", samples: message.length, bytes: store?.bytes ?? null, isKept: fault === null });
});
