/**
 * One connection to a QEMU monitor (QMP): the greeting, commands with ids that may overlap, events as they come.
 * Source: QEMU's docs/interop/qmp-spec. Whatever is open when the connection ends rejects; what does not parse is
 * dropped and told.
 */
import { z } from "zod";
import type { Milliseconds } from "../../core/units.ts";
import { connectLines } from "../line_socket.ts";
import { CommandError } from "../port.ts";
import type { Timers } from "../timers.ts";

export interface QmpConnection {
  /**
   * The command's `return`. Rejects with `QmpError` when QEMU says no, and with a `CommandError` (`timed-out`,
   * `connection-lost`) when it says nothing.
   */
  execute(command: string, args: object, deadline: Milliseconds): Promise<unknown>;
  close(): void;
  /** Resolves with the reason when the connection has ended by itself or by `close`. */
  readonly ended: Promise<Error>;
}

export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface QmpOptions {
  readonly path: string;
  /** For the connection, the greeting and the negotiation, each. */
  readonly deadline: Milliseconds;
  readonly timers: Timers;
  readonly onEvent: (event: QmpEvent) => void;
  /** Something came that is no QMP; the connection goes on. */
  readonly onGarbage: (message: string) => void;
}

/** QEMU's own refusal, with its error class. */
export class QmpError extends Error {
  readonly errorClass: string;
  constructor(errorClass: string, message: string) {
    super(message);
    this.name = "QmpError";
    this.errorClass = errorClass;
  }
}

/** The longest answer we ask for lists the slots of a domain with 1,024 vCPUs: some hundred kilobytes. */
export const QMP_LINE_BYTES_MAX = 4_194_304;
/** A monitor that leaves so many commands unanswered is not working. */
export const OPEN_COMMANDS_MAX = 64;

export async function connectQmp(options: QmpOptions): Promise<QmpConnection> {
  const { path, deadline, timers } = options;
  const open = new Map<number, Deferred<unknown>>();
  let lastId = 0;
  let over: Error | null = null;
  const greeting = deferred<void>();
  const ended = deferred<Error>();

  const socket = await connectLines({
    path,
    deadline,
    timers,
    lineBytesMax: QMP_LINE_BYTES_MAX,
    onLine: take,
    onOversize: () => options.onGarbage(`${path} sent a line of more than ${QMP_LINE_BYTES_MAX} bytes`),
    onClose: end,
  });

  function end(error: Error): void {
    if (over !== null) return;
    over = error;
    socket.close();
    greeting.reject(error);
    for (const { reject } of open.values()) reject(connectionLost(error));
    open.clear();
    ended.resolve(error);
  }

  function take(line: string): void {
    if (line.trim() === "") return;
    const message = parseMessage(line);
    switch (message?.kind) {
      case undefined:
        options.onGarbage(`${path} sent what is no QMP message: ${JSON.stringify(line.slice(0, 80))}`);
        break;
      case "greeting":
        greeting.resolve();
        break;
      case "event":
        options.onEvent(message.event);
        break;
      case "return":
        open.get(message.id)?.resolve(message.value);
        open.delete(message.id);
        break;
      case "error":
        open.get(message.id)?.reject(message.error);
        open.delete(message.id);
        break;
    }
  }

  function execute(command: string, args: object, commandDeadline: Milliseconds): Promise<unknown> {
    if (over !== null) return Promise.reject(connectionLost(over));
    if (open.size >= OPEN_COMMANDS_MAX) {
      const message = `${path} left ${OPEN_COMMANDS_MAX} commands unanswered; not sending ${command}`;
      return Promise.reject(new CommandError("not-applied", message));
    }
    const id = ++lastId;
    const result = deferred<unknown>();
    const cancel = timers.after(commandDeadline, () => {
      open.delete(id);
      const message = `${command} on ${path}: no answer within ${commandDeadline} ms; is its QEMU stopped or overloaded?`;
      result.reject(new CommandError("timed-out", message));
    });
    open.set(id, result);
    socket.send(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    return result.promise.finally(cancel);
  }

  function connectionLost(error: Error): CommandError {
    return new CommandError("connection-lost", `The connection to ${path} ended: ${error.message}`);
  }

  const cancel = timers.after(deadline, () => {
    const advice = "another program may hold it; give vbal a QMP socket of its own";
    end(new Error(`${path} sent no greeting within ${deadline} ms: ${advice}`));
  });
  try {
    await greeting.promise;
    await execute("qmp_capabilities", {}, deadline);
  } catch (error) {
    end(error instanceof Error ? error : new Error(String(error)));
    throw error;
  } finally {
    cancel();
  }
  return { execute, ended: ended.promise, close: () => end(new Error(`${path} was closed by vbal`)) };
}

type Message =
  | { readonly kind: "greeting" }
  | { readonly kind: "event"; readonly event: QmpEvent }
  | { readonly kind: "return"; readonly id: number; readonly value: unknown }
  | { readonly kind: "error"; readonly id: number; readonly error: QmpError };

const messageShape = z.union([
  z.object({ QMP: z.object({}) }).transform((): Message => ({ kind: "greeting" })),
  z
    .object({ event: z.string(), data: z.record(z.string(), z.unknown()).default({}) })
    .transform((event): Message => ({ kind: "event", event })),
  z
    .object({ error: z.object({ class: z.string(), desc: z.string() }), id: z.number() })
    .transform(
      ({ error, id }): Message => ({ kind: "error", id, error: new QmpError(error.class, error.desc) }),
    ),
  z
    .object({ return: z.unknown(), id: z.number() })
    .transform((message): Message => ({ kind: "return", id: message.id, value: message.return })),
]);

function parseMessage(line: string): Message | null {
  try {
    const parsed = messageShape.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // Whoever waits gets the rejection; nobody waiting is no fault.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
