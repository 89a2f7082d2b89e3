/** The same agent code over the real files of this machine; nothing of them is written. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { DECODER_START, decode, encode } from "../../protocol/frame.ts";
import type { GuestMessage } from "../../protocol/guest_messages.ts";
import { parseGuestMessage } from "../../protocol/parse_guest_message.ts";
import { Agent } from "../agent.ts";
import { VcpuBalloon } from "../vcpu_balloon.ts";
import { nodePlatform } from "./platform_node.ts";

const directory = mkdtempSync(join(tmpdir(), "vbal-agent-"));
afterAll(() => rmSync(directory, { recursive: true }));

describe.runIf(process.platform === "linux")("on this machine", () => {
  test("a report names vCPUs that a host would accept", () => {
    const report = new VcpuBalloon(nodePlatform, join(directory, "none")).report();
    expect(report.vcpus.filter((vcpu) => vcpu.online).length).toBeGreaterThanOrEqual(
      Math.min(1, cpus().length),
    );
    expect(parseGuestMessage({ kind: "report", ...report })).toMatchObject({ ok: true });
  });

  test("a pipe with a name: whoever may write to it is heard, and without a listener a writer does not wait", async () => {
    const path = join(directory, "pipe");
    const heard: string[] = [];
    const pipe = nodePlatform.openPipe(path, (chunk) => void heard.push(Buffer.from(chunk).toString()));
    if (typeof pipe === "string") throw new Error(pipe);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(nodePlatform.writePipe(path, "one\n")).toBeNull();
    await expect.poll(() => heard.join("")).toBe("one\n");
    pipe.close();
    await expect.poll(() => nodePlatform.writePipe(path, "two\n")).toContain("ENXIO");
  });

  test("over a socket: hello, report, ping", async () => {
    const path = join(directory, "port");
    const server = createServer();
    await new Promise<void>((listening) => server.listen(path, listening));
    const connected = new Promise<Socket>((accept) => server.once("connection", accept));
    const agent = new Agent(nodePlatform, {
      portPath: path,
      recordPath: join(directory, "record"),
      askPath: join(directory, "ask"),
      hostLayerPath: join(directory, "host"),
      name: "vbal-agent test",
      onPortBusy: () => {},
    });
    agent.start();
    const host = await connected;
    const kinds = kindsUntil(host, "pong");
    host.write(
      encode({ kind: "hello", versions: [1, 1], session: "s", reportEveryMs: 60_000, patienceMs: 60_000 }),
    );
    host.write(encode({ kind: "ping", id: 1 }));
    expect(await kinds).toEqual(["hello", "hello", "report", "pong"]);
    agent.stop();
    host.destroy();
    await new Promise((closed) => server.close(closed));
  });
});

test("files: replaced as a whole, reasons in words, absent is null", () => {
  const path = join(directory, "record");
  expect(nodePlatform.replaceFile(path, "one")).toBeNull();
  expect(nodePlatform.replaceFile(path, "two")).toBeNull();
  expect(nodePlatform.readFile(path)).toBe("two");
  expect(nodePlatform.listDirectory(directory)).toContain("record");
  expect(nodePlatform.remove(path)).toBeNull();
  expect(nodePlatform.readFile(path)).toBeNull();
  expect(nodePlatform.writeFile(path, "x")).toMatch(/no such file/);
  expect(nodePlatform.listDirectory(path)).toEqual([]);
  expect(nodePlatform.run(["true"])).toBe(0);
  expect(nodePlatform.run(["no-such-program-anywhere"])).toBe(127);
});

/** The kinds of the messages from the agent, up to the first of the given kind. */
async function kindsUntil(socket: Socket, last: GuestMessage["kind"]): Promise<readonly string[]> {
  const kinds: string[] = [];
  let decoder = DECODER_START;
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    const decoded = decode(decoder, chunk);
    decoder = decoded.decoder;
    for (const item of decoded.items) {
      const result = item.kind === "frame" ? parseGuestMessage(item.value) : null;
      kinds.push(result?.ok === true ? result.message.kind : "fault");
    }
    if (kinds.includes(last)) return kinds;
  }
  return kinds;
}
