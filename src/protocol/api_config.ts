/** The parts of the config file that concern the API and the history. */
import { z } from "zod";
import { type FieldKind, field, path, readBytes, readInteger, section } from "./fields.ts";

export interface ControlConfig {
  readonly socket: string;
  /** Absent: the unix socket only. */
  readonly tcp?: TcpConfig;
}

export interface TcpConfig {
  readonly address: string;
  readonly port: number;
  /** `null`: plain HTTP, on a loopback address only. */
  readonly tls: TlsFiles | null;
  readonly tokens: TokenFiles;
}

/** PEM files. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** Files with a token per line, mode 0600; `null`: nobody has this role over TCP. */
export interface TokenFiles {
  readonly read: string | null;
  readonly write: string | null;
}

export interface HistoryConfig {
  /** `null`: history.db beside the journal. */
  readonly path: string | null;
  readonly maxBytes: number;
}

export const DEFAULT_HISTORY: HistoryConfig = { path: null, maxBytes: 256 * 1024 * 1024 };

export interface WrittenControl {
  readonly socket?: string | undefined;
  readonly tcp?: WrittenTcp | null | undefined;
}

interface WrittenTcp {
  readonly address: string;
  readonly port: number;
  readonly tls?: TlsFiles | undefined;
  readonly tokens: { readonly read?: string | undefined; readonly write?: string | undefined };
}

export interface WrittenHistory {
  readonly path?: string | undefined;
  readonly maxBytes?: number | undefined;
}

const PORT_MAX = 65_535;
/** An hour of seconds of a small host. */
const HISTORY_BYTES_MIN = 1024 * 1024;

const ADDRESS: FieldKind<string> = {
  rule: "An IP address to listen on must stand here",
  fix: "Write one as in 127.0.0.1, ::1 or 0.0.0.0",
  read: (value) => (typeof value === "string" && /^[0-9A-Fa-f:.]{2,45}$/.test(value) ? value : undefined),
};

const tcpShape = {
  address: field(ADDRESS),
  port: field({
    rule: `A port is a whole number from 1 to ${PORT_MAX}`,
    fix: "Write one that is free, as in 8470",
    read: readInteger({ min: 1, max: PORT_MAX }),
  }),
  tls: z.strictObject({ cert: path("file"), key: path("file") }).optional(),
  tokens: z.strictObject({ read: path("file").optional(), write: path("file").optional() }),
};

const controlShape = {
  socket: path("socket").optional(),
  tcp: z.strictObject(tcpShape).optional(),
};

const historyShape = {
  path: path("file").optional(),
  maxBytes: field({
    rule: `A history may have at least ${HISTORY_BYTES_MIN / 1024 ** 2}MiB`,
    fix: "Write a size as in 256MiB",
    read: (value) => {
      const bytes = readBytes(value);
      return bytes !== undefined && HISTORY_BYTES_MIN <= bytes ? bytes : undefined;
    },
  }).optional(),
};

export const controlFields: z.ZodType<WrittenControl> = section(z.strictObject(controlShape));
export const historyFields: z.ZodType<WrittenHistory> = section(z.strictObject(historyShape));

/** The keys that the map at a path below `control` or `history` may have. */
export function controlKeys([, second, third]: readonly (string | number)[]): readonly string[] {
  if (second === undefined) return Object.keys(controlShape);
  if (third === "tls") return ["cert", "key"];
  return third === "tokens" ? ["read", "write"] : Object.keys(tcpShape);
}

export function historyKeys(): readonly string[] {
  return Object.keys(historyShape);
}

/** `at` makes a path absolute. */
export function completeControl(
  written: WrittenControl | undefined,
  fallback: string,
  at: (path: string) => string,
): ControlConfig {
  const socket = at(written?.socket ?? fallback);
  const tcp = written?.tcp;
  if (tcp === undefined || tcp === null) return { socket };
  const { address, port, tls, tokens } = tcp;
  const file = (written: string | undefined) => (written === undefined ? null : at(written));
  return {
    socket,
    tcp: {
      address,
      port,
      tls: tls === undefined ? null : { cert: at(tls.cert), key: at(tls.key) },
      tokens: { read: file(tokens.read), write: file(tokens.write) },
    },
  };
}

export function completeHistory(
  written: WrittenHistory | undefined,
  at: (path: string) => string,
): HistoryConfig {
  return {
    path: written?.path === undefined ? null : at(written.path),
    maxBytes: written?.maxBytes ?? DEFAULT_HISTORY.maxBytes,
  };
}

/** What a TCP door must not be: open to a network in plain text, or without anybody who may pass. */
export function controlFaults(
  written: WrittenControl | undefined,
): readonly { readonly path: readonly string[]; readonly rule: string; readonly fix: string }[] {
  const tcp = written?.tcp;
  if (tcp === undefined || tcp === null) return [];
  const faults = [];
  if (tcp.tls === undefined && !isLoopback(tcp.address)) {
    faults.push({
      path: ["control", "tcp", "address"],
      rule: "Without tls the API listens on a loopback address only, since tokens would be read on the way",
      fix: "Add `tls: { cert: FILE, key: FILE }`, or use 127.0.0.1",
    });
  }
  if (tcp.tokens.read === undefined && tcp.tokens.write === undefined) {
    faults.push({
      path: ["control", "tcp", "tokens"],
      rule: "Over TCP nobody gets in without a token",
      fix: "Add `write: FILE`, or `read: FILE` for those who may only look",
    });
  }
  return faults;
}

function isLoopback(address: string): boolean {
  return address === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address);
}
