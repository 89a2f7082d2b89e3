/**
 * The daemon's end of libvirt_process.ts: starts it, sends it calls, hears its events. Each call ends within its
 * deadline; one that libvirt has not answered by then goes on over there and its answer is dropped.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Milliseconds } from "../../core/units.ts";
import { unreachable } from "../../core/unreachable.ts";
import { CommandError } from "../port.ts";
import type { Timers } from "../timers.ts";
import { CALLS_MAX, type LibvirtCalls, LibvirtError } from "./libvirt_calls.ts";
import type { LibvirtEvent, LibvirtMessage, LibvirtRequest } from "./libvirt_process.ts";

export interface LibvirtLink {
  /** Rejects with a `LibvirtError` that libvirt gave, or a `CommandError`: `timed-out`, `connection-lost`. */
  call<Name extends keyof LibvirtCalls>(
    name: Name,
    deadline: Milliseconds,
    ...args: Parameters<LibvirtCalls[Name]>
  ): Promise<Awaited<ReturnType<LibvirtCalls[Name]>>>;
  /** Resolves with the reason when the connection has ended. */
  readonly ended: Promise<Error>;
  close(): void;
}

export interface LibvirtLinkOptions {
  readonly uri: string;
  /** For the connection itself. */
  readonly deadline: Milliseconds;
  readonly timers: Timers;
  readonly onEvent: (event: LibvirtEvent) => void;
}

/** The process runs compiled code, whether this file was compiled or not. */
const PROCESS = fileURLToPath(
  new URL("../../../dist/hypervisor/libvirt/libvirt_process.js", import.meta.url),
);
/** One thread per call, one for the events, the rest for Node itself. */
const THREADS = CALLS_MAX + 4;
/** So many calls without an answer long after their deadlines: libvirt itself hangs, and only a new connection helps. */
const OVERDUE_MAX = CALLS_MAX;

/** Rejects when there is no connection within the deadline, with libvirt's own words. */
export function connectLibvirt(options: LibvirtLinkOptions): Promise<LibvirtLink> {
  const { uri, deadline, timers, onEvent } = options;
  const child = fork(PROCESS, [uri], {
    env: { ...process.env, UV_THREADPOOL_SIZE: String(THREADS), NODE_OPTIONS: "" },
    execArgv: [],
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  // Neither the process nor the channel to it keeps the daemon alive.
  child.unref();
  child.channel?.unref();
  const pending = new Map<number, Pending>();
  const overdue = new Set<number>();
  let lastId = 0;
  let reason: string | null = null;
  let end!: (error: Error) => void;
  const ended = new Promise<Error>((resolve) => {
    end = resolve;
  });

  function lose(message: string): void {
    reason ??= message;
    child.kill("SIGKILL");
    for (const one of pending.values()) one.reject(new CommandError("connection-lost", `${uri}: ${reason}`));
    pending.clear();
    end(new Error(`${uri}: ${reason}`));
  }

  const link: LibvirtLink = {
    call: (call, within, ...args) =>
      new Promise((resolve, reject) => {
        if (reason !== null) {
          reject(new CommandError("connection-lost", `${uri}: ${reason}`));
          return;
        }
        const id = ++lastId;
        const cancel = timers.after(within, () => {
          pending.delete(id);
          overdue.add(id);
          reject(new CommandError("timed-out", `${uri} did not answer ${call} within ${within} ms`));
          if (OVERDUE_MAX <= overdue.size) lose(`${overdue.size} calls are without an answer`);
        });
        const settled =
          <T>(settle: (value: T) => void) =>
          (value: T) => {
            cancel();
            pending.delete(id);
            settle(value);
          };
        pending.set(id, { resolve: settled(resolve as (value: unknown) => void), reject: settled(reject) });
        child.send({ id, call, args } satisfies LibvirtRequest);
      }),
    ended,
    close: () => lose("closed by vbal"),
  };

  return new Promise((resolve, reject) => {
    const cancel = timers.after(deadline, () => lose(`no connection within ${deadline} ms`));
    void ended.then((error) => {
      cancel();
      reject(error);
    });
    child.on("error", (error) => lose(error.message));
    child.on("exit", () => lose("the process that talks to libvirt ended"));
    child.on("message", (message: LibvirtMessage) => {
      switch (message.kind) {
        case "open":
          cancel();
          resolve(link);
          break;
        case "answer":
          overdue.delete(message.id);
          pending.get(message.id)?.resolve(message.value);
          break;
        case "refusal":
          overdue.delete(message.id);
          pending.get(message.id)?.reject(new LibvirtError(message));
          break;
        case "event":
          onEvent(message.event);
          break;
        case "fault":
          lose(message.message);
          break;
        default:
          unreachable(message);
      }
    });
  });
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}
