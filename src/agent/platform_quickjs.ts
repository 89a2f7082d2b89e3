/** The agent's platform in a QuickJS program: the static binary that runs in guests. */
import { cpuMs, goFirst, vcpuNow } from "cpu_time";
// biome-ignore lint/style/useNodejsImportProtocol: this is a module of QuickJS, not of Node
import * as os from "os";
import { arm, before, disarm } from "queue_watch";
import { readText } from "read_text";
import * as std from "std";
import { measureSwitches } from "switch_cost";
import {
  BACKLOG_BYTES_MAX,
  FILE_BYTES_MAX,
  MAKE_PIPE,
  NICE,
  type Platform,
  type Port,
  type PortEvents,
} from "./platform.ts";
import { QUEUES_PATH } from "./sources/counters.ts";
import { watchQueuesOnTimers } from "./sources/queue_watch.ts";

export const quickjsPlatform: Platform = {
  readFile: (path) => readText(path, FILE_BYTES_MAX),
  writeFile(path, text) {
    return writeOnce(path, { flags: os.O_WRONLY, text });
  },
  replaceFile(path, text) {
    const fresh = `${path}.new`;
    const why = writeOnce(fresh, { flags: os.O_WRONLY | os.O_CREAT | os.O_TRUNC, text });
    return why ?? reason(os.rename(fresh, path));
  },
  remove(path) {
    return reason(os.remove(path));
  },
  makeDirectory(path) {
    return reason(os.mkdir(path, DIRECTORY_MODE));
  },
  listDirectory(path) {
    const [names, errno] = os.readdir(path);
    return errno === 0 ? names.filter((name) => name !== "." && name !== "..") : [];
  },
  run: (command) => execute(command, true),
  start(command) {
    const pid = execute(command, false);
    let hasEnded = pid <= 0;
    return () => {
      hasEnded ||= os.waitpid(pid, os.WNOHANG)[0] !== 0;
      return hasEnded;
    };
  },
  measureSwitches: (ms) => measureSwitches(ms),
  cpuMs: () => cpuMs(),
  vcpuNow: () => vcpuNow(),
  goFirst: () => void goFirst(NICE),
  nowMs: () => os.now(),
  after(ms, call) {
    const timer = os.setTimeout(call, ms);
    return () => os.clearTimeout(timer);
  },
  watchQueues(rule, onStir) {
    const fd = arm(QUEUES_PATH, rule.everyMs, rule.waitingMin, rule.arrivalsMax);
    if (fd < 0) return watchQueuesOnTimers(quickjsPlatform, rule, onStir);
    os.setReadHandler(fd, () => {
      os.setReadHandler(fd, null);
      onStir(before());
    });
    return {
      end() {
        os.setReadHandler(fd, null);
        return disarm();
      },
    };
  },
  openPort(path, events) {
    const fd = os.open(path, os.O_RDWR | O_NONBLOCK);
    return fd < 0 ? std.strerror(-fd) : new QuickjsPort(fd, events);
  },
  openPipe(path, onBytes) {
    if (execute([...MAKE_PIPE, path], true) !== 0) return `${MAKE_PIPE.join(" ")} failed`;
    // Open for writing too: without a writer of our own the pipe would end with the first that leaves.
    const fd = os.open(path, os.O_RDWR | O_NONBLOCK);
    if (fd < 0) return std.strerror(-fd);
    os.setReadHandler(fd, () => {
      const got = os.read(fd, buffer, 0, BUFFER_BYTES);
      if (got > 0) onBytes(new Uint8Array(buffer.slice(0, got)));
    });
    return {
      close() {
        os.setReadHandler(fd, null);
        os.close(fd);
      },
    };
  },
  writePipe: (path, text) => writeOnce(path, { flags: os.O_WRONLY | O_NONBLOCK, text }),
  log(line) {
    std.err.puts(`${line}\n`);
    std.err.flush();
  },
};

/**
 * A virtio-serial port without busy waiting. The kernel says "writable" when somebody is at the host's end, and a
 * read that gives nothing says that nobody is there any more; so a port waits either to be readable or, without a
 * host, to become writable.
 */
class QuickjsPort implements Port {
  readonly #fd: number;
  readonly #events: PortEvents;
  #connected = false;
  #waiting: Uint8Array[] = [];
  #backlog = 0;

  constructor(fd: number, events: PortEvents) {
    this.#fd = fd;
    this.#events = events;
    this.#listen();
  }

  send(bytes: Uint8Array): void {
    if (!this.#connected) return;
    this.#waiting.push(bytes);
    this.#backlog += bytes.length;
    this.#flush();
  }

  backlog(): number {
    return this.#backlog;
  }

  close(): void {
    os.setReadHandler(this.#fd, null);
    os.setWriteHandler(this.#fd, null);
    os.close(this.#fd);
    this.#connected = false;
  }

  /** Waits for exactly those readinesses that it has a use for. */
  #listen(): void {
    const reads = this.#connected && this.#backlog <= BACKLOG_BYTES_MAX;
    const writes = !this.#connected || this.#backlog > 0;
    os.setReadHandler(this.#fd, reads ? () => this.#readable() : null);
    os.setWriteHandler(this.#fd, writes ? () => this.#writable() : null);
  }

  #readable(): void {
    const got = os.read(this.#fd, buffer, 0, BUFFER_BYTES);
    if (got > 0) this.#events.onBytes(new Uint8Array(buffer.slice(0, got)));
    else if (got === 0) this.#hangUp();
    else if (got !== -EAGAIN && got !== -EINTR) this.#fail(-got);
  }

  #writable(): void {
    if (this.#connected) {
      this.#flush();
      return;
    }
    this.#connected = true;
    this.#listen();
    this.#events.onConnected();
  }

  #flush(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const done = os.write(this.#fd, first.buffer as ArrayBuffer, first.byteOffset, first.length);
      if (done === -EAGAIN || done === -EINTR) break;
      if (done < 0) {
        this.#fail(-done);
        return;
      }
      this.#backlog -= done;
      if (done === first.length) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(done);
    }
    this.#listen();
  }

  #hangUp(): void {
    this.#connected = false;
    this.#waiting = [];
    this.#backlog = 0;
    this.#listen();
    this.#events.onHungUp();
  }

  #fail(errno: number): void {
    this.close();
    this.#events.onGone(std.strerror(errno));
  }
}

/** One buffer for all reads: nothing is read from two places at once. */
const BUFFER_BYTES = 16_384;
const buffer = new ArrayBuffer(BUFFER_BYTES);

/** Numbers of Linux on x86-64 and arm64 that QuickJS does not name. */
const O_NONBLOCK = 0o4000;
const EINTR = 4;
const EAGAIN = 11;

const DIRECTORY_MODE = 0o755;
const FILE_MODE = 0o600;
/** The exit status, or the process id of a program that is not waited for. */
function execute(command: readonly string[], block: boolean): number {
  const nowhere = os.open("/dev/null", os.O_RDWR);
  const streams = nowhere < 0 ? {} : { stdin: nowhere, stdout: nowhere, stderr: nowhere };
  const result = os.exec(command, { block, ...streams });
  if (nowhere >= 0) os.close(nowhere);
  return result;
}

function writeOnce(path: string, what: { flags: number; text: string }): string | null {
  const fd = os.open(path, what.flags, FILE_MODE);
  if (fd < 0) return std.strerror(-fd);
  const whole = Uint8Array.from(what.text, (character) => character.charCodeAt(0));
  const done = os.write(fd, whole.buffer, 0, whole.length);
  os.close(fd);
  if (done < 0) return std.strerror(-done);
  return done === whole.length ? null : `Only ${done} of ${whole.length} bytes were written`;
}

function reason(result: number): string | null {
  return result < 0 ? std.strerror(-result) : null;
}
