/**
 * Talks to the running daemon: HTTP over its unix socket. Every call has a deadline; what goes wrong becomes a
 * sentence that says what to do.
 */
import { request } from "node:http";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { option } from "@optique/core/primitives";
import { path as pathOf } from "@optique/run/valueparser";
import { ApiFault, type ApiRequest, answerOf, apiClient } from "../protocol/api_client.ts";
import { DEFAULT_CONFIG } from "../protocol/config.ts";
import type { PlanView } from "../protocol/plan_view.ts";
import { parseStateView, type RequestView, type StateView } from "../protocol/state_view.ts";
import { CliError } from "./cli_error.ts";
import type { Terminal } from "./terminal.ts";

export interface ControlClient {
  readonly socket: string;
  state(): Promise<StateView>;
  plan(): Promise<PlanView>;
  /** Changes a domain's policy in the running daemon. `fields` are as in the config file. Resolves with its sentence. */
  set(domain: string, fields: unknown, by?: string): Promise<string>;
  /** Asks for one more vCPU for a domain; `node` is one of the guest's, null for anywhere. */
  request(domain: string, node: number | null): Promise<RequestView>;
  /** Begins or ends a maintenance pause. Resolves with its sentence. */
  setPaused(paused: boolean, by: string): Promise<string>;
  /** Makes the daemon read its config file again. Resolves with its sentence. */
  reload(): Promise<string>;
}

/** Where to look when neither --control nor VBAL_CONTROL says so. */
export const CONTROL_VARIABLE = "VBAL_CONTROL";

/** A daemon answers from memory; a host under heavy load may take a while to schedule it. */
const DEADLINE_MS = 5_000;

/** The largest answer that is plausible: thousands of vCPUs with their reasons. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

export function controlOption(): Parser<"sync", string | undefined> {
  return optional(
    option("--control", pathOf({ metavar: "SOCKET" }), {
      description: message`The daemon's control socket, by default ${DEFAULT_CONFIG.control.socket} or what the variable ${CONTROL_VARIABLE} says.`,
    }),
  );
}

export function connectControl(
  socketOption: string | undefined,
  { environment }: Pick<Terminal, "environment">,
  deadlineMs: number = DEADLINE_MS,
): ControlClient {
  const socket = socketOption ?? (environment[CONTROL_VARIABLE] || DEFAULT_CONFIG.control.socket);
  const api = apiClient((asked) => exchange({ socket, ...asked, deadlineMs }));
  return {
    socket,
    async state() {
      const parsed = parseStateView(await api.state());
      if ("view" in parsed) return parsed.view;
      throw new CliError(
        "failed",
        `The daemon at ${socket} speaks otherwise than this vbal (${parsed.problem}). Use the same version of both`,
      );
    },
    plan: () => api.plan(),
    set: async (domain, fields, by) => sentence(await api.setDomain(domain, fields, by)),
    request: (domain, node) => api.requestVcpu(domain, node),
    setPaused: async (paused, by) => sentence(await api.setPaused(paused, by)),
    reload: async () => sentence(await api.reload()),
  };
}

interface Exchange extends ApiRequest {
  readonly socket: string;
  readonly deadlineMs: number;
}

function exchange({ socket, method, path, body, deadlineMs }: Exchange): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? "" : JSON.stringify(body);
    const headers =
      body === undefined
        ? {}
        : { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
    const outgoing = request(
      { socketPath: socket, method, path, headers, signal: AbortSignal.timeout(deadlineMs) },
      (incoming) => {
        const parts: Buffer[] = [];
        let bytes = 0;
        incoming.on("data", (part: Buffer) => {
          bytes += part.length;
          if (ANSWER_BYTES_MAX < bytes)
            outgoing.destroy(new Error(`its answer exceeds ${ANSWER_BYTES_MAX} bytes`));
          else parts.push(part);
        });
        incoming.on("error", (error) => reject(unreachableDaemon(socket, error, deadlineMs)));
        incoming.on("end", () => {
          try {
            resolve(told(socket, incoming.statusCode ?? 0, Buffer.concat(parts).toString("utf8")));
          } catch (error) {
            reject(error);
          }
        });
      },
    );
    outgoing.on("error", (error) => reject(unreachableDaemon(socket, error, deadlineMs)));
    outgoing.end(text);
  });
}

/** What the daemon refuses is told in its own words. */
function told(socket: string, status: number, text: string): unknown {
  try {
    return answerOf(status, text);
  } catch (error) {
    if (!(error instanceof ApiFault)) throw error;
    if (error.code === "unavailable" && !text.startsWith("{")) {
      throw new CliError(
        "failed",
        `${socket} is not the control socket of a vbal daemon: it does not answer in JSON. Check --control`,
      );
    }
    throw new CliError("failed", error.advice === "" ? error.message : `${error.message}. ${error.advice}`);
  }
}

function sentence(answer: unknown): string {
  const said = (answer as { message?: unknown } | null)?.message;
  return typeof said === "string" ? said : "Done";
}

function unreachableDaemon(socket: string, error: Error & { code?: string }, deadlineMs: number): CliError {
  switch (error.code) {
    case "ENOENT":
      return new CliError(
        "noDaemon",
        `No daemon is running: there is no socket ${socket}. Start one with \`vbal up\`, or name its socket with --control`,
      );
    case "ECONNREFUSED":
      return new CliError(
        "noDaemon",
        `No daemon is running: nobody listens at ${socket}, which an earlier one left behind. Start one with \`vbal up\``,
      );
    case "EACCES":
    case "EPERM":
      return new CliError(
        "noDaemon",
        `You may not speak to the daemon at ${socket}. Run as root, or as the daemon's user`,
      );
    case "ENOTSOCK":
      return new CliError("noDaemon", `${socket} is not a socket. Check --control`);
    case "ABORT_ERR":
      return new CliError(
        "noDaemon",
        `The daemon at ${socket} did not answer within ${deadlineMs / 1000} s. Look at its log; it may be stopped or overloaded`,
      );
    case "HPE_INVALID_CONSTANT":
      return new CliError(
        "failed",
        `${socket} is not the control socket of a vbal daemon: it speaks no HTTP. Check --control`,
      );
    default:
      return new CliError(
        "noDaemon",
        `The daemon at ${socket} cannot be reached: ${error.message}. Look at its log`,
      );
  }
}
