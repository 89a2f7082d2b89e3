/**
 * The agent's platform on Node: the same agent from source, for guests that have Node and for trying it out. The
 * port may also be a Unix socket, which stands for the host's end being connected.
 */
import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createConnection, Socket } from "node:net";
import { setPriority } from "node:os";
import { performance } from "node:perf_hooks";
import {
  BACKLOG_BYTES_MAX,
  FILE_BYTES_MAX,
  MAKE_PIPE,
  NICE,
  type Platform,
  type Port,
  type PortEvents,
} from "../platform.ts";
import { watchQueuesOnTimers } from "../sources/queue_watch.ts";

export const nodePlatform: Platform = {
  readFile(path) {
    const bytes = attempt(() => readBounded(path));
    return typeof bytes === "string" ? null : bytes.toString("latin1");
  },
  writeFile(path, text) {
    return reason(() => {
      const fd = openSync(path, constants.O_WRONLY);
      try {
        writeSync(fd, Buffer.from(text, "latin1"));
      } finally {
        closeSync(fd);
      }
    });
  },
  replaceFile(path, text) {
    return reason(() => {
      writeFileSync(`${path}.new`, text, { encoding: "latin1", mode: FILE_MODE });
      renameSync(`${path}.new`, path);
    });
  },
  remove(path) {
    return reason(() => (statSync(path).isDirectory() ? rmdirSync(path) : unlinkSync(path)));
  },
  makeDirectory(path) {
    return reason(() => mkdirSync(path));
  },
  listDirectory(path) {
    const names = attempt(() => readdirSync(path));
    return typeof names === "string" ? [] : names;
  },
  run([program, ...args]) {
    return spawnSync(program!, args, { stdio: "ignore" }).status ?? NOT_FOUND;
  },
  start([program, ...args]) {
    let hasEnded = false;
    const end = (): void => {
      hasEnded = true;
    };
    spawn(program!, args, { stdio: "ignore" }).on("close", end).on("error", end);
    return () => hasEnded;
  },
  measureSwitches: () => "Node cannot hand a byte between two threads of one vCPU; the static agent does",
  cpuMs() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  },
  vcpuNow: () => -1,
  goFirst() {
    try {
      setPriority(NICE);
    } catch {
      // Only root may.
    }
  },
  nowMs: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
  watchQueues: (rule, onStir) => watchQueuesOnTimers(nodePlatform, rule, onStir),
  openPort(path, events) {
    return attempt(() =>
      statSync(path).isSocket() ? new SocketPort(path, events) : new DevicePort(path, events),
    );
  },
  openPipe(path, onBytes) {
    if (nodePlatform.run([...MAKE_PIPE, path]) !== 0) return `${MAKE_PIPE.join(" ")} failed`;
    return attempt(() => {
      // Open for writing too: without a writer of our own the pipe would end with the first that leaves.
      const pipe = new Socket({ fd: openSync(path, constants.O_RDWR | constants.O_NONBLOCK) });
      pipe.on("data", (chunk) => onBytes(new Uint8Array(chunk)));
      return { close: () => void pipe.destroy() };
    });
  },
  writePipe(path, text) {
    return reason(() => {
      const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
      try {
        writeSync(fd, text);
      } finally {
        closeSync(fd);
      }
    });
  },
  log(line) {
    console.error(line);
  },
};

class SocketPort implements Port {
  readonly #socket: Socket;

  constructor(path: string, events: PortEvents) {
    this.#socket = createConnection(path);
    this.#socket.on("connect", () => events.onConnected());
    this.#socket.on("data", (chunk) => {
      events.onBytes(chunk);
      if (this.backlog() > BACKLOG_BYTES_MAX) this.#socket.pause();
    });
    this.#socket.on("drain", () => this.#socket.resume());
    let why = "The host closed the connection";
    this.#socket.on("error", (error) => {
      why = error.message;
    });
    this.#socket.on("close", () => events.onGone(why));
  }

  send(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  backlog(): number {
    return this.#socket.writableLength;
  }

  close(): void {
    this.#socket.removeAllListeners("close");
    this.#socket.destroy();
  }
}

/**
 * A virtio-serial port. Node cannot wait for such a device without blocking one of its threads for good, so this
 * adapter asks it often; the QuickJS one, made for production, is woken by the kernel.
 */
class DevicePort implements Port {
  readonly #fd: number;
  readonly #events: PortEvents;
  readonly #timer: NodeJS.Timeout;
  readonly #buffer = Buffer.alloc(CHUNK_BYTES);
  #waiting: Buffer = Buffer.alloc(0);
  #connected = false;

  constructor(path: string, events: PortEvents) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    this.#events = events;
    this.#timer = setInterval(() => this.#poll(), POLL_EVERY_MS);
  }

  send(bytes: Uint8Array): void {
    if (!this.#connected) return;
    this.#waiting = Buffer.concat([this.#waiting, bytes]);
    this.#flush();
  }

  backlog(): number {
    return this.#waiting.length;
  }

  close(): void {
    clearInterval(this.#timer);
    closeSync(this.#fd);
  }

  #poll(): void {
    if (this.#waiting.length > 0) this.#flush();
    if (this.#waiting.length > BACKLOG_BYTES_MAX) return;
    const got = this.#attempt(() => readSync(this.#fd, this.#buffer));
    if (got === null) return;
    // A read that gives nothing says that nobody is at the host's end; one that would wait, that somebody is.
    const connected = got !== 0;
    if (connected !== this.#connected) {
      this.#connected = connected;
      this.#waiting = Buffer.alloc(0);
      if (connected) this.#events.onConnected();
      else this.#events.onHungUp();
    }
    if (got > 0) this.#events.onBytes(new Uint8Array(this.#buffer.subarray(0, got)));
  }

  #flush(): void {
    const done = this.#attempt(() => writeSync(this.#fd, this.#waiting));
    if (done !== null && done > 0) this.#waiting = this.#waiting.subarray(done);
  }

  /** The count, -1 for "not now", `null` when the port is gone, of which it has told then. */
  #attempt(call: () => number): number | null {
    try {
      return call();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return -1;
      this.close();
      this.#events.onGone((error as Error).message);
      return null;
    }
  }
}

const CHUNK_BYTES = 16_384;
/** A fiftieth of a second: shorter than the change of a vCPU. */
const POLL_EVERY_MS = 20;
const FILE_MODE = 0o600;
const NOT_FOUND = 127;

/** Files of the kernel say nothing of their size. */
function readBounded(path: string): Buffer {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    const buffer = Buffer.alloc(FILE_BYTES_MAX);
    let length = 0;
    for (let got = -1; got !== 0 && length < FILE_BYTES_MAX; length += got) {
      got = readSync(fd, buffer, length, FILE_BYTES_MAX - length, null);
    }
    return buffer.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}

/** What the call gives, or the reason why it fails. */
function attempt<T>(call: () => T): T | string {
  try {
    return call();
  } catch (error) {
    return (error as Error).message;
  }
}

function reason(call: () => void): string | null {
  return attempt(call) ?? null;
}
