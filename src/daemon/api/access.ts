/**
 * Who may do what. The unix socket lets in only its owner (mode 0600), who may do everything; over TCP a token says what
 * its bearer may do.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { ApiRefusal } from "./api_refusal.ts";
import type { Role } from "./api_route.ts";
import type { RateLimits, Rates } from "./request_limits.ts";

/** The way by which a request came in. */
export type Door =
  | { readonly kind: "socket" }
  | {
      readonly kind: "tcp";
      readonly tokens: readonly AccessToken[];
      readonly isHost: (name: string) => boolean;
    };

export interface AccessToken {
  readonly role: Role;
  readonly secret: string;
}

/** Lets those through who have the role, at a bounded rate: the role's own when no other is named. */
export type Allow = (needed: Role, rate?: keyof Rates) => MiddlewareHandler;

export function allowAt(door: Door, limits: RateLimits): Allow {
  return (needed, rate = needed) =>
    async (c, next) => {
      const role = roleAt(door, c.req.header("authorization"));
      limits.take(role === null ? "refused" : rate, performance.now());
      if (role === null) {
        c.header("www-authenticate", "Bearer");
        throw new ApiRefusal(
          "wrong-token",
          "This needs a token, and none that is known was sent",
          "Send `Authorization: Bearer TOKEN` with a token of control.tcp.tokens",
        );
      }
      if (needed === "write" && role !== "write") {
        throw new ApiRefusal(
          "not-allowed",
          "This token may only look",
          "Use a token of control.tcp.tokens.write",
        );
      }
      await next();
    };
}

function roleAt(door: Door, authorization: string | undefined): Role | null {
  if (door.kind === "socket") return "write";
  const sent = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
  if (sent === undefined) return null;
  // Every token is compared, so that the time says neither which one was near nor how near.
  const held = door.tokens.filter(({ secret }) => isSame(secret, sent));
  if (held.some(({ role }) => role === "write")) return "write";
  return held.length === 0 ? null : "read";
}

/** Digests are compared, so that the time does not tell the length either. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
