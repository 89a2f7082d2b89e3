/** A real Prometheus, unpacked by scripts/guest_packages.mjs: its checker, and a server of its own on the loopback address. */
import { spawn, spawnSync } from "node:child_process";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const PROGRAMS = resolve(import.meta.dirname, "../../.lab/prometheus/usr/bin");
const READY_MS_MAX = 30_000;
const LOOK_EVERY_MS = 100;

/** Runs `promtool` to its end; what it printed, and whether it was content. */
export function promtool(
  args: readonly string[],
  input = "",
): { readonly ok: boolean; readonly said: string } {
  const ended = spawnSync(join(PROGRAMS, "promtool"), args, { input, encoding: "utf8" });
  if (ended.error !== undefined) {
    throw new Error(`Cannot run promtool (${ended.error.message}); run: node scripts/setup.mjs --for test`);
  }
  return { ok: ended.status === 0, said: ended.stdout + ended.stderr };
}

export interface Prometheus {
  /** GET below /api/v1/; the `data` of its answer. Throws with its own words when it refuses. */
  ask(path: string): Promise<unknown>;
  stop(): Promise<void>;
}

/** `config`: a file; `folder`: where it may keep what it scrapes. */
export async function startPrometheus(config: string, folder: string): Promise<Prometheus> {
  const port = await freePort();
  const child = spawn(
    join(PROGRAMS, "prometheus"),
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, "tsdb")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=error",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString("utf8");
  });
  const ended = new Promise<void>((done) => child.once("close", () => done()));
  const base = `http://127.0.0.1:${port}`;
  const deadline = performance.now() + READY_MS_MAX;
  while (!(await isReady(base))) {
    if (child.exitCode !== null || deadline < performance.now()) {
      child.kill("SIGKILL");
      throw new Error(`Prometheus does not run: ${said || "it did not get ready"}`);
    }
    await sleep(LOOK_EVERY_MS);
  }
  return {
    async ask(path) {
      const answer = (await (await fetch(`${base}/api/v1/${path}`)).json()) as Answer;
      if (answer.status === "success") return answer.data;
      throw new Error(`Prometheus refuses ${decodeURIComponent(path)}: ${answer.error}`);
    },
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

interface Answer {
  readonly status: "success" | "error";
  readonly data?: unknown;
  readonly error?: string;
}

function isReady(base: string): Promise<boolean> {
  return fetch(`${base}/-/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
