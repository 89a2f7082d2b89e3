/** A daemon on a simulated host in real time, with its API on a unix socket and on TCP, for tests that talk to it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type IncomingHttpHeaders, request } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_POLICY } from "../../core/policy.ts";
import { runInRealTime } from "../../hypervisor/simulated/run_in_real_time.ts";
import { createSimulatedHost, type SimulatedHost } from "../../hypervisor/simulated/simulated_host.ts";
import { DEFAULT_CONFIG } from "../../protocol/config.ts";
import { Daemon, type Threads } from "../daemon.ts";
import { startHistory } from "../history/start_history.ts";
import { startApiHere } from "./start_api_here.ts";

export const READ_TOKEN = "read-0123456789abcdef0123456789";
export const WRITE_TOKEN = "write-0123456789abcdef012345678";

export interface DaemonApi {
  readonly folder: string;
  readonly socket: string;
  readonly port: number;
  readonly daemon: Daemon;
  readonly host: SimulatedHost;
  readonly log: string[];
  ask(asked: Asked): Promise<Answered>;
  /** A bare connection to a door. */
  dial(door: "socket" | "tcp"): Socket;
  /** What was set by hand, as it stands on the disk. */
  overrides(): unknown;
  close(): Promise<void>;
}

export interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text is sent as it is, anything else as JSON. */
  readonly body?: unknown;
  /** Over TCP with this token, or `null` for none; absent: over the unix socket. */
  readonly token?: string | null;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Undefined when it is none. */
  readonly json: unknown;
}

/** So many that a test of something else is not refused for them. */
const FREELY = { perSecond: 1e6, burst: 1e6 };
const RATES_OF_TESTS = { read: FREELY, write: FREELY, preview: FREELY, refused: FREELY };

const HERE: Threads = {
  startApi: (options) => startApiHere({ ...options, rates: RATES_OF_TESTS }),
  startHistory,
};

export async function openDaemonApi(threads: Threads = HERE): Promise<DaemonApi> {
  const folder = mkdtempSync(join(tmpdir(), "vbal-api-"));
  const tokens = { read: join(folder, "read.tokens"), write: join(folder, "write.tokens") };
  writeFileSync(tokens.read, `${READ_TOKEN}\n`, { mode: 0o600 });
  writeFileSync(tokens.write, `${WRITE_TOKEN}\n`, { mode: 0o600 });
  const host = createSimulatedHost({ pcpus: 8 });
  for (const name of ["web", "db"]) host.arrive({ id: name, vcpus: 8 });
  const socket = join(folder, "control.sock");
  const port = await freePort();
  const log: string[] = [];
  const stopTime = runInRealTime(host);
  const daemon = new Daemon({
    config: {
      ...DEFAULT_CONFIG,
      policy: DEFAULT_POLICY,
      interval: 100,
      journal: { path: join(folder, "journal.jsonl"), maxBytes: 64 * 1024 * 1024 },
      control: { socket, tcp: { address: "127.0.0.1", port, tls: null, tokens } },
    },
    configFile: null,
    hypervisor: host.connect(),
    version: "test",
    log: ({ text }) => log.push(text),
    threads,
  });
  await daemon.start();
  return {
    folder,
    socket,
    port,
    daemon,
    host,
    log,
    ask: (asked) => exchange(asked, { socket, port }),
    dial: (door) => (door === "socket" ? connect(socket) : connect(port, "127.0.0.1")),
    overrides: () => JSON.parse(textOf(join(folder, "overrides.json")) ?? "{}") as unknown,
    async close() {
      await daemon.kill();
      stopTime();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function exchange(
  asked: Asked,
  doors: { readonly socket: string; readonly port: number },
): Promise<Answered> {
  const { method = "GET", path, body, token } = asked;
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const headers = {
    ...(text === undefined
      ? {}
      : { "content-type": "application/json", "content-length": `${Buffer.byteLength(text)}` }),
    ...(typeof token === "string" ? { authorization: `Bearer ${token}` } : {}),
    ...asked.headers,
  };
  const door = token === undefined ? { socketPath: doors.socket } : { host: "127.0.0.1", port: doors.port };
  return new Promise((resolve, reject) => {
    const asking = request({ ...door, method, path, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => {
        const said = Buffer.concat(chunks).toString("utf8");
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: said, json: jsonOf(said) });
      });
    });
    asking.on("error", reject);
    asking.end(text);
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
