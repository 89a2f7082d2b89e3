/**
 * Connects to a UNIX socket that another process may not have made yet; tries again until `deadlineMs` has passed
 * or `giveUp` says why there is no point.
 */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export async function connectWhenThere(
  path: string,
  options: { readonly deadlineMs: number; readonly giveUp?: () => string | null },
): Promise<Socket> {
  const until = performance.now() + options.deadlineMs;
  for (;;) {
    try {
      return await connectOnce(path);
    } catch (fault) {
      const hopeless = options.giveUp?.() ?? null;
      if (hopeless !== null) throw new Error(hopeless);
      if (until < performance.now()) {
        const why = fault instanceof Error ? fault.message : String(fault);
        throw new Error(`No connection to ${path} within ${options.deadlineMs} ms: ${why}`);
      }
      await sleep(RETRY_EVERY_MS);
    }
  }
}

/** QEMU makes its sockets within tens of milliseconds. */
const RETRY_EVERY_MS = 20;

function connectOnce(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}
