/**
 * The control socket: HTTP over a unix socket that only its owner may open. It answers what the command line asks; the
 * daemon's decisions do not wait for it.
 *
 * GET /v1/state · GET /v1/plan · POST /v1/domains/NAME (fields of the policy) · POST /v1/reload
 * A refusal is `{ error: { message } }` with a status of 400 or above.
 */
import { chmodSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { Milliseconds } from "../core/units.ts";

/** A policy change is a few fields; anything longer is a mistake. */
const BODY_BYTES_MAX = 64 * 1024;
/** A client that sends its request slower than this is cut off, at the next check. */
export const REQUEST_DEADLINE_MS: Milliseconds = 5_000;
/** Node looks for slow clients this often. */
const SLOW_CHECK_EVERY_MS: Milliseconds = 1_000;
const CONNECTIONS_MAX = 64;

/** What the daemon can be asked. An answer has an HTTP status and a JSON body. */
export interface ControlTarget {
  state(): unknown;
  plan(): unknown;
  setDomain(name: string, fields: unknown): Answer;
  reload(): Answer;
}

export type Answer =
  | { readonly ok: true; readonly message: string }
  | { readonly ok: false; readonly errors: readonly string[] };

export interface ControlServer {
  close(): Promise<void>;
}

/** Listens on `socket`. Throws when another daemon answers there or the path cannot be used. */
export async function serveControl(
  socket: string,
  target: ControlTarget,
  requestDeadlineMs: Milliseconds = REQUEST_DEADLINE_MS,
): Promise<ControlServer> {
  try {
    mkdirSync(dirname(socket), { recursive: true });
  } catch (error) {
    throw cannotListen(socket, messageOf(error));
  }
  await removeLeftover(socket);
  const options = {
    requestTimeout: requestDeadlineMs,
    headersTimeout: requestDeadlineMs,
    connectionsCheckingInterval: Math.min(SLOW_CHECK_EVERY_MS, requestDeadlineMs),
  };
  const server = createServer(options, (request, response) => {
    // Who hangs up before the answer has nobody to tell.
    for (const half of [request, response]) half.on("error", () => undefined);
    answer(target, request, response).catch((error: unknown) => {
      refuse(response, 500, [`Internal fault: ${String(error)}`]);
    });
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.on("clientError", (_, client) => client.destroy());
  server.on("connection", (client) => client.on("error", () => client.destroy()));
  await listen(server, socket);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  target: ControlTarget,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const route = `${request.method} ${request.url?.split("?")[0] ?? "/"}`;
  const domain = decoded(/^POST \/v1\/domains\/([^/]+)$/.exec(route)?.[1]);
  if (route === "GET /v1/state") return send(response, 200, target.state());
  if (route === "GET /v1/plan") return send(response, 200, target.plan());
  if (route === "POST /v1/reload") return sendAnswer(response, target.reload());
  if (domain === undefined) {
    return refuse(response, 404, [
      `No route ${route}; there are GET /v1/state, GET /v1/plan, POST /v1/domains/NAME and POST /v1/reload`,
    ]);
  }
  const body = await readJson(request);
  if (!body.ok) return sendAnswer(response, body);
  return sendAnswer(response, target.setDomain(domain, body.value));
}

/** Undefined also for what is no text in percent signs. */
function decoded(name: string | undefined): string | undefined {
  try {
    return name === undefined ? undefined : decodeURIComponent(name);
  } catch {
    return undefined;
  }
}

async function readJson(
  request: IncomingMessage,
): Promise<{ ok: true; value: unknown } | Extract<Answer, { ok: false }>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // The rest of a long one is read and dropped: who is cut off while sending never sees the answer.
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
  }
  if (BODY_BYTES_MAX < bytes) {
    return {
      ok: false,
      errors: [`The request has ${bytes} bytes, and at most ${BODY_BYTES_MAX} are taken; send fewer fields`],
    };
  }
  try {
    return { ok: true, value: JSON.parse(Buffer.concat(chunks).toString("utf8")) };
  } catch (error) {
    return { ok: false, errors: [`The request is not JSON (${messageOf(error)}); send {"weight": 512}`] };
  }
}

function sendAnswer(response: ServerResponse, result: Answer): void {
  if (result.ok) send(response, 200, { message: result.message });
  else refuse(response, 400, result.errors);
}

function refuse(response: ServerResponse, status: number, errors: readonly string[]): void {
  send(response, status, { error: { message: errors.join("\n") } });
}

function send(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent) return;
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

function listen(server: Server, socket: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(cannotListen(socket, error.message)));
    // Listening makes the socket at once; with this mask there is no moment in which others could open it.
    const mask = process.umask(0o177);
    try {
      server.listen(socket, () => {
        chmodSync(socket, 0o600);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
}

/** A socket that nobody serves was left by a daemon that was killed. Anything else in its place is not ours to remove. */
async function removeLeftover(socket: string): Promise<void> {
  const found = lstatSync(socket, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw cannotListen(socket, "there is a file of another kind in its place");
  }
  if (await answers(socket)) {
    throw new Error(
      `Another vbal daemon answers on ${socket}; stop it first, or set control.socket to another path`,
    );
  }
  rmSync(socket, { force: true });
}

function cannotListen(socket: string, why: string): Error {
  return new Error(`Cannot listen on ${socket}: ${why}; check control.socket and its folder's rights`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    // Only a refusal says that nobody is there; one who does not let us in, or has too many clients, is somebody.
    probe.once("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
    });
  });
}
