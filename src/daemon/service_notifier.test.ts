import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import koffi from "koffi";
import { afterAll, describe, expect, test } from "vitest";
import { serviceNotifier } from "./service_notifier.ts";

const folder = mkdtempSync(join(tmpdir(), "vbal-notify-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Stands for systemd: a datagram socket of the C library, read without waiting. */
function listen(path: string): () => string {
  const libc = koffi.load("libc.so.6");
  const fd = libc.func("int socket(int, int, int)")(1, 2, 0) as number;
  const name = Buffer.from(path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`);
  const address = Buffer.concat([Buffer.from([1, 0]), name]);
  expect(libc.func("int bind(int, const void *, uint32_t)")(fd, address, address.length)).toBe(0);
  const receive = libc.func("long recv(int, _Out_ uint8_t *, size_t, int)");
  return () => {
    const bytes = Buffer.alloc(256);
    const length = receive(fd, bytes, bytes.length, 0x40) as number;
    return length < 0 ? "" : bytes.subarray(0, length).toString();
  };
}

describe("systemd is told", () => {
  test.each(["file", "abstract"])("over a socket that is %s", (kind) => {
    const path = kind === "file" ? join(folder, "notify") : `@vbal-test-${process.pid}`;
    const heard = listen(path);
    const notifier = serviceNotifier({ NOTIFY_SOCKET: path, WATCHDOG_USEC: "30000000" });
    notifier.tell({ READY: "1", STATUS: "two\nlines" });
    expect(heard()).toBe("READY=1\nSTATUS=two lines\n");
    expect(notifier.watchdogEveryMs).toBe(15_000);
  });

  test.each<[string, NodeJS.ProcessEnv]>([
    ["there is no systemd", {}],
    ["its socket is gone", { NOTIFY_SOCKET: join(folder, "nobody") }],
    ["the path is no path", { NOTIFY_SOCKET: "x".repeat(200) }],
  ])("nothing, and nothing fails, when %s", (_what, environment) => {
    const notifier = serviceNotifier(environment);
    expect(() => notifier.tell({ READY: "1" })).not.toThrow();
    expect(notifier.watchdogEveryMs).toBeNull();
  });

  test("the watchdog of another process is none of ours", () => {
    const environment = { NOTIFY_SOCKET: join(folder, "n"), WATCHDOG_USEC: "1000000", WATCHDOG_PID: "1" };
    expect(serviceNotifier(environment).watchdogEveryMs).toBeNull();
  });
});
