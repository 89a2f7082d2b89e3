/** Reads what a TCP door needs from files: tokens and certificates. Errors say what to do. */
import { X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import type { TcpConfig } from "../../protocol/api_config.ts";
import type { AccessToken, Door } from "./access.ts";
import type { Role } from "./api_route.ts";

/** Shorter ones can be guessed. */
const TOKEN_CHARS_MIN = 24;
/** Those of one file; each is compared with what a client sends. */
const TOKENS_MAX = 64;
const OTHERS = 0o077;

export interface TcpDoor {
  readonly door: Door;
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | null;
}

/** Throws, with what to do, when a file cannot be used. */
export function openTcpDoor(config: TcpConfig): TcpDoor {
  const tokens = [...tokensOf(config.tokens.read, "read"), ...tokensOf(config.tokens.write, "write")];
  const tls =
    config.tls === null
      ? null
      : { cert: readFile(config.tls.cert, "certificate"), key: readSecret(config.tls.key, "key") };
  const certificate = tls === null ? null : certificateOf(config.tls!.cert, tls.cert);
  const isHost = (name: string): boolean => {
    const bare = name.replace(/^\[|\]$/g, "");
    if (bare === config.address) return true;
    const found = isIP(bare) === 0 ? certificate?.checkHost(bare) : certificate?.checkIP(bare);
    return found !== undefined;
  };
  return { door: { kind: "tcp", tokens, isHost }, tls };
}

function tokensOf(file: string | null, role: Role): AccessToken[] {
  if (file === null) return [];
  const secrets = readSecret(file, "tokens")
    .toString("utf8")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (secrets.length === 0 || TOKENS_MAX < secrets.length) {
    throw new Error(`${file} holds ${secrets.length} tokens; write 1 to ${TOKENS_MAX}, one per line`);
  }
  if (secrets.some((secret) => secret.length < TOKEN_CHARS_MIN || /\s/.test(secret))) {
    throw new Error(
      `${file}: a token has at least ${TOKEN_CHARS_MIN} characters and no space; make one by: openssl rand -hex 32`,
    );
  }
  return secrets.map((secret) => ({ role, secret }));
}

function certificateOf(file: string, pem: Buffer): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new Error(`${file} holds no certificate in PEM form (${String(error)})`);
  }
}

/** A file that nobody but its owner may read. */
function readSecret(file: string, what: string): Buffer {
  const content = readFile(file, what);
  const { mode } = statSync(file);
  if ((mode & OTHERS) !== 0) {
    throw new Error(
      `Others than its owner may read the ${what} in ${file}; change that by: chmod 600 ${file}`,
    );
  }
  return content;
}

function readFile(file: string, what: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Error(`The ${what} in ${file} cannot be read (${String(error)}); check control.tcp`);
  }
}
