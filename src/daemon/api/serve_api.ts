/** The API on its doors: the unix socket, and TCP where the config says so. */
import type { Server } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import type { Milliseconds } from "../../core/units.ts";
import type { Door } from "./access.ts";
import type { ApiTarget } from "./api_target.ts";
import { type ApiParts, createApi } from "./create_api.ts";
import { CONNECTIONS_MAX, HEADER_BYTES_MAX, RATES, RateLimit } from "./request_limits.ts";
import { StateSource } from "./state_source.ts";
import { clearSocket, listenOnSocket, SOCKET_UMASK } from "./unix_socket.ts";

/** A client that sends its request slower than this is cut off, at the next check. */
export const REQUEST_DEADLINE_MS: Milliseconds = 5_000;
/** Node looks for slow clients this often. */
const SLOW_CHECK_EVERY_MS: Milliseconds = 1_000;
/** Pollers come back within this. */
const KEEP_ALIVE_MS: Milliseconds = 30_000;

export interface ServeOptions {
  readonly socket: string;
  readonly target: ApiTarget;
  readonly version: string;
  readonly onFault: (text: string) => void;
  readonly requestDeadlineMs?: Milliseconds;
}

export interface ApiServer {
  /** There is something new to show. */
  changed(): void;
  close(): Promise<void>;
}

/** Throws when another daemon answers on the socket or the path cannot be used. */
export async function serveApi(options: ServeOptions): Promise<ApiServer> {
  await clearSocket(options.socket);
  const { target, version, onFault } = options;
  const now = performance.now();
  const states = new StateSource(() => target.view());
  const parts: ApiParts = {
    target,
    states,
    version,
    onFault,
    rates: { read: new RateLimit(RATES.read, now), write: new RateLimit(RATES.write, now) },
    open: { count: 0 },
  };
  const server = serverFor(createApi(parts, { kind: "socket" } satisfies Door), options);
  const mask = process.umask(SOCKET_UMASK);
  try {
    const listening = listenOnSocket(server, options.socket);
    process.umask(mask);
    await listening;
  } finally {
    process.umask(mask);
  }
  return {
    changed: () => states.changed(),
    close: async () => {
      states.close();
      await closed(server);
    },
  };
}

function serverFor(app: ReturnType<typeof createApi>, options: ServeOptions): Server {
  const deadline = options.requestDeadlineMs ?? REQUEST_DEADLINE_MS;
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: {
      requestTimeout: deadline,
      headersTimeout: deadline,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
      connectionsCheckingInterval: Math.min(SLOW_CHECK_EVERY_MS, deadline),
    },
  }) as Server;
  server.maxConnections = CONNECTIONS_MAX;
  server.on("clientError", (_, client) => client.destroy());
  server.on("connection", (client) => client.on("error", () => client.destroy()));
  return server;
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
