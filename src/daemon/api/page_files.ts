/**
 * The page's files, read once at the start and served from memory: no request names a path on the disk. Each is there
 * compressed as well.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import type { Context } from "hono";

export interface PageFile {
  readonly type: string;
  readonly etag: string;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly gzip: Uint8Array<ArrayBuffer>;
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
};
const GZIP_LEVEL = 9;
/** Names with the hash of their content never change what they hold. */
const HASHED = /[-.][0-9A-Za-z_-]{8,}\.(js|css|woff2|svg|png)$/;

/** By the path in the URL; none where the page was not built. Files of other kinds, such as source maps, are not served. */
export function readPageFiles(folder: string): ReadonlyMap<string, PageFile> {
  const files = new Map<string, PageFile>();
  if (!existsSync(folder)) return files;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const type = TYPES[extname(entry.name)];
    if (!entry.isFile() || type === undefined) continue;
    const file = join(entry.parentPath, entry.name);
    const plain = new Uint8Array(readFileSync(file));
    const etag = `"${createHash("sha256").update(plain).digest("base64url").slice(0, 22)}"`;
    const gzip = new Uint8Array(gzipSync(plain, { level: GZIP_LEVEL }));
    files.set(`/${relative(folder, file)}`, { type, etag, plain, gzip });
  }
  const index = files.get("/index.html");
  if (index !== undefined) files.set("/", index);
  return files;
}

export function servePageFile(c: Context, file: PageFile): Response {
  c.header("etag", file.etag);
  c.header("vary", "accept-encoding");
  c.header("cache-control", HASHED.test(c.req.path) ? "public, max-age=31536000, immutable" : "no-cache");
  if (c.req.header("if-none-match")?.includes(file.etag) === true) return c.body(null, 304);
  c.header("content-type", file.type);
  if (/\bgzip\b/.test(c.req.header("accept-encoding") ?? "")) {
    c.header("content-encoding", "gzip");
    return c.body(file.gzip);
  }
  return c.body(file.plain);
}
