/**
 * The other end of a unix socket for tests of protocol faults: it does what no real peer does on demand. Named
 * `_suite` because it is for tests only and is not shipped.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Peer {
  readonly path: string;
  /** Everything it was sent, over all connections, as text lines. */
  readonly heard: string[];
  readonly connections: Socket[];
  /** To the newest connection. */
  say(text: string | Uint8Array): void;
  /** Ends every connection; new ones are taken. */
  hangUp(): void;
  close(): Promise<void>;
}

export interface PeerOptions {
  readonly onConnect?: (socket: Socket) => void;
  readonly onLine?: (line: string, socket: Socket) => void;
}

export async function startPeer(options: PeerOptions = {}): Promise<Peer> {
  const folder = mkdtempSync(join(tmpdir(), "vbal-peer-"));
  const path = join(folder, "socket");
  const heard: string[] = [];
  const connections: Socket[] = [];
  const server: Server = createServer((socket) => {
    connections.push(socket);
    let rest = "";
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString("latin1")).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        heard.push(line);
        options.onLine?.(line, socket);
      }
    });
    options.onConnect?.(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    heard,
    connections,
    say: (text) => void connections.at(-1)?.write(text),
    hangUp() {
      for (const socket of connections.splice(0)) socket.destroy();
    },
    async close() {
      for (const socket of connections) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until it holds; the test's own timeout is the bound. */
export async function eventually(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}
