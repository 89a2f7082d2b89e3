/**
 * Refuses what a browser sends on behalf of another site: a page elsewhere must not steer this host through the browser
 * of whoever administers it. No answer carries a CORS header, so no other site may read one either.
 */
import type { MiddlewareHandler } from "hono";
import type { Door } from "./access.ts";
import { ApiRefusal } from "./api_refusal.ts";

/** What this machine calls itself; names that resolve here only by somebody else's word (DNS rebinding) are not among them. */
const LOOPBACK_NAMES: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

export function onlySameSite(door: Door): MiddlewareHandler {
  return async (c, next) => {
    const { host, hostname } = new URL(c.req.url);
    const isOurs = LOOPBACK_NAMES.has(hostname) || (door.kind === "tcp" && door.isHost(hostname));
    if (!isOurs) {
      throw new ApiRefusal(
        "cross-site",
        `This daemon is not known as ${hostname}`,
        "Use the address of control.tcp.address, a name of its certificate, or localhost",
      );
    }
    const origin = c.req.header("origin");
    const site = c.req.header("sec-fetch-site");
    const isForeign =
      (origin !== undefined && hostOf(origin) !== host) ||
      (site !== undefined &&
        site !== "same-origin" &&
        site !== "none" &&
        !isNavigation(c.req.method, c.req.path));
    if (isForeign) {
      throw new ApiRefusal(
        "cross-site",
        "Another site's page may not speak to this daemon",
        "Open the daemon's own page",
      );
    }
    await next();
  };
}

/** A link from elsewhere to the page itself is harmless. */
function isNavigation(method: string, path: string): boolean {
  return method === "GET" && path === "/";
}

function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}
