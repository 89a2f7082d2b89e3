/**
 * Tells systemd how the daemon is (sd_notify(3)): ready, what it is doing, still alive, stopping. A datagram to the
 * socket that NOTIFY_SOCKET names; Node has no such sockets, so the C library sends it. Does nothing where there is no
 * systemd, and a message that is lost is lost: the watchdog's next one follows.
 */
import koffi from "koffi";
import { fitsSocketPath } from "../protocol/socket_path.ts";

export interface ServiceNotifier {
  /** Lines of NAME=VALUE, as sd_notify(3) lists them. */
  tell(state: Readonly<Record<string, string>>): void;
  /** How often to say WATCHDOG=1; `null` where nobody watches. Half of what systemd waits for. */
  readonly watchdogEveryMs: number | null;
}

export function serviceNotifier(environment: NodeJS.ProcessEnv = process.env): ServiceNotifier {
  const { NOTIFY_SOCKET: path, WATCHDOG_USEC: watchdog, WATCHDOG_PID: watched } = environment;
  const isOurs = watched === undefined || watched === String(process.pid);
  const everyMs = Math.floor(Number(watchdog) / US_PER_MS / 2);
  const watchdogEveryMs = isOurs && 0 < everyMs ? everyMs : null;
  if (path === undefined || path === "" || !fitsSocketPath(path) || process.platform !== "linux") {
    return { tell: () => undefined, watchdogEveryMs: null };
  }
  const send = datagramSender(path);
  return {
    watchdogEveryMs,
    tell(state) {
      send(
        Object.entries(state)
          .map(([name, value]) => `${name}=${value.replaceAll("\n", " ")}\n`)
          .join(""),
      );
    },
  };
}

const US_PER_MS = 1_000;
const AF_UNIX = 1;
/** SOCK_DGRAM | SOCK_CLOEXEC, the same on every Linux that Node runs on. */
const DATAGRAM = 0x80002;
/** MSG_NOSIGNAL | MSG_DONTWAIT */
const FLAGS = 0x4040;

function datagramSender(path: string): (text: string) => void {
  const libc = koffi.load("libc.so.6");
  const socket = libc.func("int socket(int domain, int type, int protocol)");
  const sendto = libc.func(
    "long sendto(int fd, const void *text, size_t length, int flags, const void *address, uint32_t size)",
  );
  const close = libc.func("int close(int fd)");
  const address = addressOf(path);
  return (text) => {
    const fd = socket(AF_UNIX, DATAGRAM, 0) as number;
    if (fd < 0) return;
    const bytes = Buffer.from(text);
    sendto(fd, bytes, bytes.length, FLAGS, address, address.length);
    close(fd);
  };
}

/** struct sockaddr_un; a path that begins with @ is abstract and begins with a zero byte. */
function addressOf(path: string): Buffer {
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  const name = Buffer.from(path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`);
  return Buffer.concat([family, name]);
}
