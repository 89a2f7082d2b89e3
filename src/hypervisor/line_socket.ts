/**
 * A unix socket that speaks lines, with both directions bounded: a peer that never ends a line or never reads cannot
 * fill our memory. Used for QMP and for the stock guest agent.
 */
import { createConnection, type Socket } from "node:net";
import type { Milliseconds } from "../core/units.ts";
import type { Timers } from "./timers.ts";

export interface LineSocket {
  /** `false`: the peer has not read what it was sent before, and this was not sent. */
  send(bytes: string | Uint8Array): boolean;
  /** Reads no more until `resume`. */
  pause(): void;
  resume(): void;
  close(): void;
}

export interface LineSocketOptions {
  readonly path: string;
  /** For the connection itself. */
  readonly deadline: Milliseconds;
  readonly timers: Timers;
  readonly lineBytesMax: number;
  /** How many of so many bytes to look at; the rest is dropped. All where not given. */
  readonly admit?: (bytes: number) => number;
  /** Without its newline. */
  readonly onLine: (line: string) => void;
  /** A line was longer than `lineBytesMax` and was left out. */
  readonly onOversize: () => void;
  /** Once, after the connection was made and however it ends; never after `close`. */
  readonly onClose: (error: Error) => void;
}

/** More than any sequence of commands that we send before an answer. */
export const UNREAD_BYTES_MAX = 1_048_576;

/** Rejects when there is no connection within the deadline; the message says what the system said, and the path. */
export async function connectLines(options: LineSocketOptions): Promise<LineSocket> {
  const socket = await connectUnix(options);
  let closed = false;
  let lastError: Error | null = null;
  const split = createLineSplitter(options);
  socket.on("data", (chunk: Buffer) => {
    if (!closed) split(options.admit === undefined ? chunk : chunk.subarray(0, options.admit(chunk.length)));
  });
  socket.on("error", (error) => {
    lastError = error;
  });
  socket.on("close", () => {
    if (closed) return;
    closed = true;
    options.onClose(lastError ?? new Error(`${options.path} was closed by the other end`));
  });
  return {
    send(bytes) {
      if (closed || UNREAD_BYTES_MAX < socket.writableLength) return false;
      socket.write(bytes);
      return true;
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close() {
      closed = true;
      socket.destroy();
    },
  };
}

/** A connected unix socket that does not keep the process alive by itself. */
export function connectUnix(options: {
  readonly path: string;
  readonly deadline: Milliseconds;
  readonly timers: Timers;
}): Promise<Socket> {
  const { path, deadline, timers } = options;
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    const cancel = timers.after(deadline, () =>
      fail(new Error(`${path} took no connection within ${deadline} ms`)),
    );
    function fail(error: Error): void {
      cancel();
      socket.destroy();
      reject(error);
    }
    socket.once("error", fail);
    socket.once("connect", () => {
      cancel();
      socket.off("error", fail);
      resolve(socket);
    });
  });
}

/** Feeds chunks in, gives lines out; keeps no more than one line. */
export function createLineSplitter(
  options: Pick<LineSocketOptions, "lineBytesMax" | "onLine" | "onOversize">,
): (chunk: Uint8Array) => void {
  const { lineBytesMax, onLine, onOversize } = options;
  let parts: Uint8Array[] = [];
  let length = 0;
  let skipping = false;

  function take(part: Uint8Array): void {
    if (skipping) return;
    if (lineBytesMax < length + part.length) {
      skipping = true;
      parts = [];
      length = 0;
      onOversize();
      return;
    }
    parts.push(part);
    length += part.length;
  }

  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      take(chunk.subarray(start, end));
      const line = Buffer.concat(parts).toString("utf8");
      const whole = !skipping;
      parts = [];
      length = 0;
      skipping = false;
      if (whole) onLine(line);
      start = end + 1;
    }
    // A copy, because the chunk's memory belongs to the socket.
    if (start < chunk.length) take(chunk.slice(start));
  };
}

const NEWLINE = 0x0a;
