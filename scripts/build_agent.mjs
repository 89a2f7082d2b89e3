/**
 * Builds the guest agent: TypeScript -> one module (esbuild) -> bytecode in C (qjsc) -> one static binary (gcc),
 * dist/agent/vbal-agent. Nothing happens when nothing has changed. One line per step that has something to do.
 *
 * QuickJS comes from the Debian packages quickjs and libquickjs where they are installed (Debian 13), else it is
 * built from their source package, which the machine's own mirror has: nothing is installed, so no root is needed.
 *
 * Use: node scripts/build_agent.mjs
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { aptOptionsFor } from "./debian_release.mjs";

/** Builds what is out of date and answers the binary's path. Throws with words that say what is missing. */
export async function buildAgent({ root, log = console.log }) {
  const binary = join(root, "dist", "agent", "vbal-agent");
  const stamp = `${binary}.made-of`;
  const sources = fingerprint(root);
  if (existsSync(binary) && read(stamp) === sources) return binary;
  requireTools();
  const quickjs = findQuickjs() ?? buildQuickjs({ root, log });
  log("Compiling the guest agent: TypeScript, QuickJS bytecode, static binary");
  const work = join(root, "dist", "agent", `building-${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    await bundle({ root, outfile: join(work, "agent.js") });
    // -s drops names and line numbers of the source: 30 % of the bytecode, and nobody reads them in a guest.
    const modules = NATIVE_MODULES.flatMap((name) => ["-M", `${name},${name}`]);
    run(quickjs.qjsc, ["-s", "-m", "-e", ...modules, "-o", "agent.c", "agent.js"], { cwd: work });
    const flags = ["-Os", "-static", "-s", "-Wl,--gc-sections", `-I${quickjs.include}`];
    const native = NATIVE_MODULES.map((name) => join(root, "src", "agent", `${name}.c`));
    const libraries = [quickjs.library, "-lm", "-ldl", "-lpthread"];
    run("gcc", [...flags, "-o", "vbal-agent", "agent.c", ...native, ...libraries], { cwd: work });
    renameSync(join(work, "vbal-agent"), binary);
    writeFileSync(stamp, sources);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return binary;
}

/** Modules in C, src/agent/NAME.c: what JavaScript cannot do, or not at a hundredth of a vCPU. */
const NATIVE_MODULES = ["switch_cost", "read_text", "cpu_time", "queue_watch"];

/** The one version that the agent is tested with: Debian 13 has it as a package. */
const QUICKJS_VERSION = "2025-04-26";
/** The Debian release whose source package has that version. */
const QUICKJS_SUITE = "trixie";

const TOOLS = [
  { name: "gcc", proof: ["gcc", "--version"], package: "gcc" },
  { name: "the static C library", file: "libc.a", package: "libc6-dev" },
];
/** Needed only where QuickJS must be built. */
const QUICKJS_TOOLS = [
  { name: "make", proof: ["make", "--version"], package: "make" },
  { name: "dpkg-source", proof: ["dpkg-source", "--version"], package: "dpkg-dev" },
  { name: "apt-get", proof: ["apt-get", "--version"], package: "apt" },
];

/** Ten minutes for a slow mirror or a slow machine: the download takes seconds and the build half a minute. */
const STEP_MAX_MS = 600_000;

/** Everything that the binary is made of. Paths relative to the checkout, so that a moved checkout is not rebuilt. */
function fingerprint(root) {
  const hash = createHash("sha256").update(QUICKJS_VERSION);
  const folders = ["src/agent", "src/protocol", "src/core"].map((folder) => join(root, folder));
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true })
      .filter((name) => /\.(ts|c)$/.test(name) && !name.endsWith(".test.ts"))
      .sort()
      .map((name) => join(folder, name)),
  );
  for (const file of [...files, fileURLToPath(import.meta.url), join(root, "package-lock.json")]) {
    hash
      .update(relative(root, file))
      .update("\0")
      .update(read(file) ?? "")
      .update("\0");
  }
  return hash.digest("hex");
}

function requireTools(tools = TOOLS) {
  const missing = tools.filter(({ proof, file }) =>
    proof === undefined
      ? !existsSync(capture("gcc", [`-print-file-name=${file}`]) ?? "")
      : spawnSync(proof[0], proof.slice(1), { stdio: "ignore" }).status !== 0,
  );
  if (missing.length === 0) return;
  const names = missing.map((tool) => `${tool.name} (Debian package ${tool.package})`).join(", ");
  throw new Error(
    `The guest agent cannot be built without ${names}: apt-get install ${missing.map((t) => t.package).join(" ")}`,
  );
}

/** The installed Debian packages, or `null` when they are absent or of another version. */
function findQuickjs() {
  const triplet = capture("gcc", ["-print-multiarch"]);
  const found = {
    qjsc: "/usr/bin/qjsc",
    include: "/usr/include/quickjs",
    library: `/usr/lib/${triplet}/quickjs/libquickjs.a`,
  };
  return isRightQuickjs(found) ? found : null;
}

function isRightQuickjs({ qjsc, include, library }) {
  if (![qjsc, join(include, "quickjs-libc.h"), library].every((file) => existsSync(file))) return false;
  const help = spawnSync(qjsc, ["-h"], { encoding: "utf8" });
  return `${help.stdout}${help.stderr}`.includes(`version ${QUICKJS_VERSION}`);
}

/** Downloads, checks and builds the source package below `.lab/quickjs`; the finished tree gets its name last. */
function buildQuickjs({ root, log }) {
  const home = join(root, ".lab", "quickjs", QUICKJS_VERSION);
  const built = { qjsc: join(home, "qjsc"), include: home, library: join(home, "libquickjs.a") };
  if (isRightQuickjs(built)) return built;
  requireTools(QUICKJS_TOOLS);
  const work = join(root, ".lab", "quickjs", `building-${process.pid}`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  try {
    log(
      `Downloading the source of QuickJS ${QUICKJS_VERSION}, which compiles the agent, from the Debian mirror`,
    );
    downloadSource(work);
    log("Building QuickJS (half a minute)");
    const source = join(work, "source");
    run("make", ["-j2", "qjs", "qjsc", "libquickjs.a", "CONFIG_LTO="], { cwd: source });
    rmSync(home, { recursive: true, force: true });
    renameSync(source, home);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  if (isRightQuickjs(built)) return built;
  throw new Error(`The source package quickjs of ${QUICKJS_SUITE} is no longer version ${QUICKJS_VERSION}`);
}

function downloadSource(work) {
  const { options } = aptOptionsFor({ release: QUICKJS_SUITE, types: "deb-src", work });
  run("apt-get", [...options, "-qq", "update"], { cwd: work });
  run("apt-get", [...options, "-qq", "--download-only", "source", "quickjs"], { cwd: work });
  const description = readdirSync(work).find((name) => name.endsWith(".dsc"));
  if (description === undefined)
    throw new Error(`The release ${QUICKJS_SUITE} has no source package quickjs`);
  // apt has checked the signature chain down to this file; the machine may not have its uploader's own key.
  run("dpkg-source", ["--no-check", "-x", description, "source"], { cwd: work });
}

async function bundle({ root, outfile }) {
  const { build } = await import("esbuild");
  await build({
    entryPoints: [join(root, "src", "agent", "main_quickjs.ts")],
    outfile,
    bundle: true,
    format: "esm",
    target: "es2023",
    platform: "neutral",
    external: ["std", "os", ...NATIVE_MODULES],
    minify: true,
    logLevel: "error",
    tsconfigRaw: {},
  });
}

function run(command, args, { cwd }) {
  const result = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    timeout: STEP_MAX_MS,
    env: { ...process.env, LC_ALL: "C.UTF-8" },
  });
  if (result.status === 0) return;
  const words = `${result.error?.message ?? ""}\n${result.stdout ?? ""}\n${result.stderr ?? ""}`.trim();
  throw new Error(`${command} ${args.join(" ")} failed:\n${words.slice(-WORDS_MAX)}`);
}

/** The end of a failed program's output is what a person needs. */
const WORDS_MAX = 4_000;

function capture(command, args) {
  const result = spawnSync(command, args, { encoding: "utf8", timeout: STEP_MAX_MS });
  return result.status === 0 ? result.stdout.trim() : null;
}

function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  try {
    const root = dirname(dirname(fileURLToPath(import.meta.url)));
    console.log(await buildAgent({ root }));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
