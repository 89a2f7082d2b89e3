/**
 * Builds the dashboard: src/web -> dist/web/{index.html,page.js,page.css}, each with a gzipped copy beside it, as the
 * daemon serves them. Nothing happens when nothing has changed.
 *
 * Use: node scripts/build_web.mjs
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";

/** Builds what is out of date and answers the folder. */
export async function buildWeb({ root, log = console.log }) {
  const out = join(root, "dist", "web");
  const stamp = join(out, ".made-of");
  const made = fingerprint(root);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === made) return out;
  log("Building the dashboard");
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  // Imported late: the set-up calls this after npm has installed it.
  const { build } = await import("esbuild");
  await build({
    entryPoints: { page: join(root, "src", "web", "main.tsx") },
    outdir: out,
    bundle: true,
    minify: true,
    format: "esm",
    target: ["chrome123", "firefox121", "safari17.5"],
    jsx: "automatic",
    jsxImportSource: "preact",
    logLevel: "warning",
  });
  writeFileSync(join(out, "index.html"), readFileSync(join(root, "src", "web", "index.html")));
  for (const name of readdirSync(out)) {
    writeFileSync(join(out, `${name}.gz`), gzipSync(readFileSync(join(out, name)), { level: 9 }));
  }
  writeFileSync(stamp, made);
  return out;
}

/** Of everything that goes in: our sources and the libraries' versions. */
function fingerprint(root) {
  const hash = createHash("sha256");
  for (const folder of ["web", "protocol", "core"]) {
    const path = join(root, "src", folder);
    for (const name of readdirSync(path).sort()) {
      if (/\.(tsx?|css|html)$/.test(name)) hash.update(name).update(readFileSync(join(path, name)));
    }
  }
  hash.update(readFileSync(join(root, "package-lock.json"))).update(readFileSync(import.meta.filename));
  return hash.digest("hex");
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  await buildWeb({ root: resolve(import.meta.dirname, "..") });
}
