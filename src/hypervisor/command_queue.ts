/**
 * The port's promise about order: commands on one domain run one after another in the order of the calls, commands
 * on different domains never wait for each other, and each ends within its deadline, the time in the queue included.
 */
import type { DomainId, Milliseconds } from "../core/units.ts";
import { CommandError } from "./port.ts";
import type { Timers } from "./timers.ts";

export interface CommandQueue {
  /**
   * Runs `command` when its turn comes. It must end soon after `signal` aborts, for the next one waits for that;
   * the caller has the signal's reason, a `CommandError`, at once.
   */
  run<T>(call: QueuedCall, command: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Ends every command of a domain, waiting or running, with this error. */
  abandon(domain: DomainId, error: CommandError): void;
}

export interface QueuedCall {
  readonly domain: DomainId;
  readonly deadline: Milliseconds;
  /** Begins the message: "Pinning vCPU 1 of a". */
  readonly what: string;
  /** What to say when the deadline passes, if there is more to say than that it did. */
  readonly late?: () => CommandError | null;
}

/** So many commands may wait on one domain; more means that somebody sends without waiting for answers. */
export const QUEUE_LENGTH_MAX = 256;

export function createCommandQueue(timers: Timers): CommandQueue {
  const tails = new Map<DomainId, Promise<unknown>>();
  const open = new Map<DomainId, Set<AbortController>>();

  function openOf(domain: DomainId): Set<AbortController> {
    let set = open.get(domain);
    if (set === undefined) {
      set = new Set();
      open.set(domain, set);
    }
    return set;
  }

  return {
    async run(call, command) {
      const { domain, deadline, what } = call;
      const mine = openOf(domain);
      if (mine.size >= QUEUE_LENGTH_MAX) {
        throw new CommandError(
          "not-applied",
          `${what}: ${QUEUE_LENGTH_MAX} commands already wait for domain ${domain}; wait for their answers first`,
        );
      }
      const controller = new AbortController();
      const { signal } = controller;
      mine.add(controller);
      const cancel = timers.after(deadline, () =>
        controller.abort(
          call.late?.() ??
            new CommandError("timed-out", `${what}: not confirmed within ${deadline} ms; observe again`),
        ),
      );
      const turn = (tails.get(domain) ?? Promise.resolve()).then(() => {
        signal.throwIfAborted();
        return command(signal);
      });
      const tail = turn.then(ignore, ignore);
      tails.set(domain, tail);
      try {
        return await abortable(turn, signal);
      } finally {
        cancel();
        mine.delete(controller);
        if (mine.size === 0 && open.get(domain) === mine) open.delete(domain);
        void tail.then(() => {
          if (tails.get(domain) === tail) tails.delete(domain);
        });
      }
    },
    abandon(domain, error) {
      for (const controller of open.get(domain) ?? []) controller.abort(error);
    },
  };
}

/** `promise`, or the signal's reason as soon as it aborts. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(reasonOf(signal));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    void promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason));
}

function ignore(): void {
  // The caller has the outcome; the queue only needs to know that it ended.
}
