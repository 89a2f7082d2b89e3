/** The lab's own QMP monitor of a guest, beside the one that the daemon uses (a QMP socket serves one client). */
import { connectQmp, type QmpEvent } from "../hypervisor/qmp/qmp_connection.ts";
import { nodeTimers } from "../hypervisor/timers.ts";
import { connectWhenThere } from "./connect.ts";

export interface Monitor {
  /** Resolves with what QEMU returned; rejects with QEMU's own words, on loss, or after `deadlineMs`. */
  execute(command: string, args?: object, deadlineMs?: number): Promise<unknown>;
  /** Resolves with the next event that `wanted` accepts; ask before causing it. */
  nextEvent(wanted: (event: QmpEvent) => boolean, deadlineMs: number): Promise<QmpEvent>;
  close(): void;
}

export async function connectMonitor(
  path: string,
  options: { readonly deadlineMs: number; readonly giveUp?: () => string | null },
): Promise<Monitor> {
  const listeners = new Set<(event: QmpEvent) => void>();
  (await connectWhenThere(path, options)).destroy();
  const qmp = await connectQmp({
    path,
    deadline: options.deadlineMs,
    timers: nodeTimers,
    onEvent(event) {
      for (const listener of listeners) listener(event);
    },
    onGarbage(message) {
      throw new Error(message);
    },
  });
  return {
    async execute(command, args = {}, deadlineMs = COMMAND_MAX_MS) {
      try {
        return await qmp.execute(command, args, deadlineMs);
      } catch (fault) {
        throw new Error(`QMP ${command}: ${fault instanceof Error ? fault.message : String(fault)}`);
      }
    },
    nextEvent(wanted, deadlineMs) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          listeners.delete(listener);
          reject(new Error(`The awaited QMP event did not come within ${deadlineMs} ms`));
        }, deadlineMs);
        const listener = (event: QmpEvent): void => {
          if (!wanted(event)) return;
          clearTimeout(timer);
          listeners.delete(listener);
          resolve(event);
        };
        listeners.add(listener);
      });
    },
    close: () => qmp.close(),
  };
}

const COMMAND_MAX_MS = 10_000;
