/** The API on its doors: the unix socket, and TCP where the config says so. */
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createAdaptorServer } from "@hono/node-server";
import type { Milliseconds } from "../../core/units.ts";
import type { ControlConfig, TcpConfig } from "../../protocol/api_config.ts";
import type { MetricFact } from "../metrics/metric_fact.ts";
import { Metrics } from "../metrics/metrics.ts";
import { openTcpDoor, type TcpDoor } from "./access_files.ts";
import type { ApiTarget } from "./api_target.ts";
import { answerBrokenRequest } from "./broken_request.ts";
import { type ApiParts, createApi } from "./create_api.ts";
import { readPageFiles } from "./page_files.ts";
import { CONNECTIONS_MAX, HEADER_BYTES_MAX, HEADERS_MAX, RATES, type Rates } from "./request_limits.ts";
import { sharedLooks } from "./shared_looks.ts";
import { StateSource } from "./state_source.ts";
import { clearSocket, listenOnSocket } from "./unix_socket.ts";

/** A client that sends its request slower than this is cut off, at the next check. */
export const REQUEST_DEADLINE_MS: Milliseconds = 5_000;
/** Node looks for slow clients this often. */
const SLOW_CHECK_EVERY_MS: Milliseconds = 1_000;
/** Pollers come back within this. */
const KEEP_ALIVE_MS: Milliseconds = 30_000;

export interface ServeOptions {
  readonly control: ControlConfig;
  /** The history's database; `null` where none is kept. */
  readonly history: string | null;
  /** Where the page was built; nothing is served from a folder that is not there. */
  readonly pageFolder: string;
  readonly version: string;
  readonly target: ApiTarget;
  readonly onFault: (text: string) => void;
  readonly requestDeadlineMs?: Milliseconds;
  readonly takeDeadlineMs?: Milliseconds;
  readonly rates?: Rates;
}

export interface ApiServer {
  /** There is something new to show; `facts` are what happened since the last call. */
  changed(facts: readonly MetricFact[]): void;
  close(): Promise<void>;
}

/**
 * Throws when another daemon answers on the socket, or an address, a token file or a certificate cannot be used. The
 * caller sees to the mask that the socket is made with (unix_socket.ts).
 */
export async function serveApi(options: ServeOptions): Promise<ApiServer> {
  const { control } = options;
  const tcp = control.tcp === undefined ? null : openTcpDoor(control.tcp);
  await clearSocket(control.socket);
  const parts = partsOf(options);
  const servers = [serverFor(createApi(parts, { kind: "socket" }), options, null)];
  const close = async (): Promise<void> => {
    parts.states.close();
    await Promise.all(servers.map(closed));
  };
  try {
    await listenOnSocket(servers[0]!, control.socket);
    if (tcp !== null) {
      const server = serverFor(createApi(parts, tcp.door), options, tcp);
      servers.push(server);
      await listenOnTcp(server, control.tcp!);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    changed(facts) {
      for (const fact of facts) parts.metrics.take(fact);
      parts.states.changed();
    },
    close,
  };
}

function partsOf({
  target,
  version,
  history,
  pageFolder,
  onFault,
  takeDeadlineMs,
  rates = RATES,
}: ServeOptions): ApiParts {
  return {
    target: sharedLooks(target),
    states: new StateSource(() => target.view()),
    metrics: new Metrics(version),
    version,
    history,
    page: readPageFiles(pageFolder),
    onFault,
    rates,
    open: { count: 0 },
    ...(takeDeadlineMs === undefined ? {} : { takeDeadlineMs }),
  };
}

function serverFor(app: ReturnType<typeof createApi>, options: ServeOptions, tcp: TcpDoor | null): Server {
  const deadline = options.requestDeadlineMs ?? REQUEST_DEADLINE_MS;
  const serverOptions = {
    requestTimeout: deadline,
    headersTimeout: deadline,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: HEADER_BYTES_MAX,
    connectionsCheckingInterval: Math.min(SLOW_CHECK_EVERY_MS, deadline),
  };
  const tls = tcp?.tls ?? null;
  const server = createAdaptorServer(
    tls === null
      ? { fetch: app.fetch, createServer, serverOptions }
      : {
          fetch: app.fetch,
          createServer: createTlsServer,
          serverOptions: { ...serverOptions, ...tls, minVersion: "TLSv1.2" },
        },
  ) as Server;
  server.maxConnections = CONNECTIONS_MAX;
  server.maxHeadersCount = HEADERS_MAX;
  server.on("clientError", answerBrokenRequest);
  server.on("connection", (client) => client.on("error", () => client.destroy()));
  return server;
}

function listenOnTcp(server: Server, { address, port }: TcpConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) =>
      reject(new Error(`Cannot listen on ${address} port ${port}: ${error.message}; check control.tcp`));
    server.once("error", fail);
    server.listen({ host: address, port }, () => {
      server.off("error", fail);
      resolve();
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
