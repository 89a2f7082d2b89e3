/** Runs programs inside a guest through its runner (guest/runner.c): arguments go over as they are, without a shell. */
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { connectWhenThere } from "./connect.ts";
import { decodeFrames, encodeFrame, PAYLOAD_MAX, type RunnerFrame } from "./runner_frame.ts";

/**
 * Connects and waits until the runner answered, which is when the guest has booted. Ends whatever an earlier
 * connection had started in the guest. Rejects after `deadlineMs`, or as soon as `giveUp` has a reason.
 */
export async function connectRunner(
  path: string,
  options: { readonly deadlineMs: number; readonly giveUp: () => string | null },
): Promise<Runner> {
  const until = performance.now() + options.deadlineMs;
  const socket = await connectWhenThere(path, options);
  const hello = { id: 0, kind: "H", payload: randomBytes(8) } as const;
  const greeting = Buffer.from(encodeFrame(hello));
  return new Promise((resolve, reject) => {
    let seen: Buffer = Buffer.alloc(0);
    const settle = (act: () => void): void => {
      clearInterval(watch);
      socket.removeAllListeners();
      act();
    };
    const fail = (why: string): void => {
      settle(() => {
        socket.on("error", () => {});
        socket.destroy();
        reject(new Error(why));
      });
    };
    const watch = setInterval(() => {
      const hopeless = options.giveUp();
      if (hopeless !== null) fail(hopeless);
      else if (until < performance.now())
        fail(`The guest's runner did not answer within ${options.deadlineMs} ms`);
    }, WATCH_EVERY_MS);
    socket.on("error", (error) => fail(`The guest's runner is gone: ${error.message}`));
    socket.on("close", () => fail("The guest's runner is gone: QEMU closed the connection"));
    socket.on("data", (chunk: Buffer) => {
      // What comes before our own bytes was meant for an earlier connection.
      seen = Buffer.concat([seen, chunk]);
      const at = seen.indexOf(greeting);
      if (at < 0) return;
      const rest = seen.subarray(at + greeting.length);
      settle(() => resolve(new Runner(socket, rest)));
    });
    socket.write(greeting);
  });
}

export interface RunOptions {
  /** The program is killed in the guest after this long, and the call rejects. */
  readonly deadlineMs?: number;
  /** Called for every whole line of standard output as it comes. */
  readonly onLine?: (line: string) => void;
  /** Kills the program in the guest. */
  readonly signal?: AbortSignal;
}

/** `seconds` is in-guest time from start to end; `code` is 128 + signal for a killed program. */
export interface RunOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

export class Runner {
  readonly #socket: Socket;
  readonly #running = new Map<number, Running>();
  #nextId = 1;
  #pending: Buffer;
  #lost: string | null = null;

  constructor(socket: Socket, pending: Buffer) {
    this.#socket = socket;
    this.#pending = pending;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", (error) => this.#lose(error.message));
    socket.on("close", () => this.#lose("QEMU closed the connection"));
  }

  /** Rejects when the guest dies first, when the deadline passes, or when `signal` aborts. */
  exec(argv: readonly string[], options: RunOptions = {}): Promise<RunOutcome> {
    const payload = Buffer.from(argv.map((argument) => `${argument}\0`).join(""));
    if (
      argv.length === 0 ||
      PAYLOAD_MAX < payload.length ||
      argv.some((argument) => argument.includes("\0"))
    ) {
      return Promise.reject(
        new Error(
          `A command needs 1 argument or more, without NUL, ${PAYLOAD_MAX} bytes at most: ${argv[0]}`,
        ),
      );
    }
    if (this.#lost !== null) return Promise.reject(new Error(this.#lost));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const deadlineMs = options.deadlineMs ?? EXEC_MAX_MS;
      const stop = (why: string): void => {
        this.#send({ id, kind: "K", payload: Uint8Array.of(SIGKILL) });
        running.settle(() => reject(new Error(`${argv.join(" ")} in the guest: ${why}`)));
      };
      const timer = setTimeout(() => stop(`not over after ${deadlineMs} ms`), deadlineMs);
      const onAbort = (): void => stop("stopped by the caller");
      const running: Running = {
        stdout: [],
        stderr: [],
        line: "",
        onLine: options.onLine,
        end: (outcome) => running.settle(() => resolve(outcome)),
        settle: (act) => {
          clearTimeout(timer);
          options.signal?.removeEventListener("abort", onAbort);
          this.#running.delete(id);
          act();
        },
        fail: (why) => running.settle(() => reject(new Error(`${argv.join(" ")} in the guest: ${why}`))),
      };
      this.#running.set(id, running);
      this.#send({ id, kind: "S", payload });
      if (options.signal?.aborted) onAbort();
      else options.signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** What still runs in the guest is ended by it; calls that wait reject. */
  close(): void {
    this.#lose("the lab closed the connection");
  }

  #send(frame: RunnerFrame): void {
    if (this.#lost === null) this.#socket.write(encodeFrame(frame));
  }

  #receive(chunk: Buffer): void {
    try {
      const { frames, rest } = decodeFrames(Buffer.concat([this.#pending, chunk]));
      this.#pending = rest;
      for (const frame of frames) this.#take(frame);
    } catch (fault) {
      this.#lose(fault instanceof Error ? fault.message : String(fault));
    }
  }

  #take({ id, kind, payload }: RunnerFrame): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    const bytes = Buffer.from(payload);
    if (kind === "O") {
      running.stdout.push(bytes);
      if (running.onLine === undefined) return;
      const lines = (running.line + bytes.toString()).split("\n");
      running.line = lines.pop() ?? "";
      for (const line of lines) running.onLine(line);
    } else if (kind === "E") {
      running.stderr.push(bytes);
    } else if (kind === "X") {
      running.end({
        code: bytes.readInt32LE(0),
        stdout: Buffer.concat(running.stdout).toString(),
        stderr: Buffer.concat(running.stderr).toString(),
        seconds: Number(bytes.readBigUInt64LE(4)) / 1e9,
      });
    }
  }

  #lose(why: string): void {
    if (this.#lost !== null) return;
    this.#lost = `The guest's runner is gone: ${why}`;
    this.#socket.destroy();
    for (const running of this.#running.values()) running.fail(this.#lost);
  }
}

interface Running {
  readonly stdout: Buffer[];
  readonly stderr: Buffer[];
  line: string;
  readonly onLine: ((line: string) => void) | undefined;
  readonly end: (outcome: RunOutcome) => void;
  readonly fail: (why: string) => void;
  readonly settle: (act: () => void) => void;
}

/** The longest guest program of a benchmark takes about a minute on a crowded host. */
const EXEC_MAX_MS = 300_000;

const WATCH_EVERY_MS = 100;

const SIGKILL = 9;
