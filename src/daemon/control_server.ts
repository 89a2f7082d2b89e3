/**
 * The control socket: HTTP over a unix socket that only its owner may open. It answers what the command line asks; the
 * daemon's decisions do not wait for it.
 *
 * GET /v1/state · GET /v1/plan · POST /v1/domains/NAME (fields of the policy) · POST /v1/reload
 * A refusal is `{ error: { message } }` with a status of 400 or above.
 */
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { Milliseconds } from "../core/units.ts";

/** A policy change is a few fields; anything longer is a mistake. */
const BODY_BYTES_MAX = 64 * 1024;
/** A client that sends its request slower than this is cut off. */
const REQUEST_DEADLINE_MS: Milliseconds = 5_000;
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
export async function serveControl(socket: string, target: ControlTarget): Promise<ControlServer> {
  mkdirSync(dirname(socket), { recursive: true });
  if (await answers(socket)) {
    throw new Error(
      `Another vbal daemon answers on ${socket}; stop it first, or set control.socket to another path`,
    );
  }
  // Left behind by a daemon that was killed.
  rmSync(socket, { force: true });
  const server = createServer((request, response) => {
    answer(target, request, response).catch((error: unknown) => {
      refuse(response, 500, [`Internal fault: ${String(error)}`]);
    });
  });
  server.requestTimeout = REQUEST_DEADLINE_MS;
  server.headersTimeout = REQUEST_DEADLINE_MS;
  server.maxConnections = CONNECTIONS_MAX;
  await listen(server, socket);
  chmodSync(socket, 0o600);
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
  const path = new URL(request.url ?? "/", "http://vbal").pathname;
  const route = `${request.method} ${path}`;
  const domain = /^POST \/v1\/domains\/([^/]+)$/.exec(route)?.[1];
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
  return sendAnswer(response, target.setDomain(decodeURIComponent(domain), body.value));
}

async function readJson(
  request: IncomingMessage,
): Promise<{ ok: true; value: unknown } | Extract<Answer, { ok: false }>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (BODY_BYTES_MAX < bytes) {
      return { ok: false, errors: [`The request has more than ${BODY_BYTES_MAX} bytes`] };
    }
    chunks.push(chunk);
  }
  try {
    return { ok: true, value: JSON.parse(Buffer.concat(chunks).toString("utf8")) };
  } catch (error) {
    return { ok: false, errors: [`The request is not JSON: ${String(error)}`] };
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
    server.once("error", (error) =>
      reject(
        new Error(
          `Cannot listen on ${socket}: ${error.message}; check control.socket and its folder's rights`,
        ),
      ),
    );
    server.listen(socket, resolve);
  });
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}
