/** The lab's own QMP monitor of a guest, beside the one that the daemon uses (a QMP socket serves one client). */
import type { Socket } from "node:net";
import { connectWhenThere } from "./connect.ts";

export async function connectMonitor(
  path: string,
  options: { readonly deadlineMs: number; readonly giveUp?: () => string | null },
): Promise<Monitor> {
  const socket = await connectWhenThere(path, options);
  const monitor = new Monitor(socket);
  await monitor.execute("qmp_capabilities", {}, options.deadlineMs);
  return monitor;
}

export interface MonitorEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** One command at a time or many: answers are matched by id. */
export class Monitor {
  readonly #socket: Socket;
  readonly #waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (fault: Error) => void }
  >();
  readonly #listeners = new Set<(event: MonitorEvent) => void>();
  #nextId = 1;
  #line = "";
  #lost: string | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => this.#receive(chunk));
    socket.on("error", (error) => this.#lose(error.message));
    socket.on("close", () => this.#lose("QEMU closed the monitor"));
  }

  /** Resolves with what QEMU returned; rejects with QEMU's own words, on loss, or after `deadlineMs`. */
  execute(command: string, args: object = {}, deadlineMs: number = COMMAND_MAX_MS): Promise<unknown> {
    if (this.#lost !== null) return Promise.reject(new Error(`QMP ${command}: ${this.#lost}`));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`QMP ${command}: no answer within ${deadlineMs} ms`));
      }, deadlineMs);
      const done = (act: () => void): void => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        act();
      };
      this.#waiting.set(id, {
        resolve: (value) => done(() => resolve(value)),
        reject: (fault) => done(() => reject(new Error(`QMP ${command}: ${fault.message}`))),
      });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    });
  }

  /** Resolves with the next event that `wanted` accepts; ask before causing it. */
  nextEvent(wanted: (event: MonitorEvent) => boolean, deadlineMs: number): Promise<MonitorEvent> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#listeners.delete(listener);
        reject(new Error(`The awaited QMP event did not come within ${deadlineMs} ms`));
      }, deadlineMs);
      const listener = (event: MonitorEvent): void => {
        if (!wanted(event)) return;
        clearTimeout(timer);
        this.#listeners.delete(listener);
        resolve(event);
      };
      this.#listeners.add(listener);
    });
  }

  close(): void {
    this.#lose("closed by the lab");
  }

  #receive(chunk: string): void {
    const lines = (this.#line + chunk).split("\n");
    this.#line = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") this.#take(JSON.parse(line) as Answer);
  }

  #take(answer: Answer): void {
    if (answer.event !== undefined) {
      const event = { event: answer.event, data: answer.data ?? {} };
      for (const listener of this.#listeners) listener(event);
    } else if (answer.id !== undefined) {
      const waiting = this.#waiting.get(answer.id);
      if (answer.error !== undefined) waiting?.reject(new Error(answer.error.desc));
      else waiting?.resolve(answer.return);
    }
  }

  #lose(why: string): void {
    if (this.#lost !== null) return;
    this.#lost = why;
    this.#socket.destroy();
    for (const { reject } of this.#waiting.values()) reject(new Error(why));
  }
}

interface Answer {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
  readonly event?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

const COMMAND_MAX_MS = 10_000;
