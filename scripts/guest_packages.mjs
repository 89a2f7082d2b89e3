/**
 * The Debian packages whose files the lab's guests are made of: kernel, busybox, the stock guest agent and three
 * real programs, with the shared libraries that they need. They are of one Debian release on every machine, and
 * unpacked below `.lab/`; nothing is installed, so no root is needed.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { aptOptionsFor } from "./debian_release.mjs";

/** Raise it when the list below changes: an older unpacked tree is then made again. */
const FORMAT = 2;

/**
 * The same guests on Debian 12 and 13, so that what is seen on one is seen on the other. And a Linux from 6.9 on takes no vCPU
 * that is plugged where it knows no hypervisor, as under QEMU's software emulation (docs/footguns.md).
 */
const GUEST_RELEASE = "bookworm";

/** The package that depends on the newest kernel for virtual machines. */
const KERNEL_META_PACKAGE = "linux-image-cloud-amd64";

/** `program` is what the guest runs, relative to the unpacked tree. */
const GUEST_PROGRAMS = [
  { name: "busybox-static", program: "bin/busybox", isStatic: true },
  { name: "qemu-guest-agent", program: "usr/sbin/qemu-ga" },
  { name: "rt-tests", program: "usr/bin/hackbench" },
  { name: "pigz", program: "usr/bin/pigz" },
  { name: "stress-ng", program: "usr/bin/stress-ng" },
];

/** Where every program looks for it. */
const LOADER = "lib64/ld-linux-x86-64.so.2";

/** Libraries of libraries of libraries: two levels are needed; more would mean a package went wrong. */
const DEPENDENCY_LEVELS_MAX = 5;

const DOWNLOAD_MAX_MS = 600_000;

/**
 * Where the unpacked tree is described; src/lab/guest_files.ts reads it. `tree` is relative to .lab, every other
 * path to the tree.
 */
export function guestFilesIndex(root) {
  return join(root, ".lab", "guest.json");
}

/** True when an unpacked tree of this format is there: cheap, it looks at one file and one folder. */
export function haveGuestPackages(root) {
  try {
    const index = JSON.parse(readFileSync(guestFilesIndex(root), "utf8"));
    return index.format === FORMAT && existsSync(join(root, ".lab", index.tree, index.kernel.image));
  } catch {
    return false;
  }
}

/**
 * Downloads and unpacks; throws with apt's own words when a package cannot be had. Safe to run twice at once:
 * the finished tree gets its name by a rename.
 */
export function fetchGuestPackages({ root, log }) {
  const lab = join(root, ".lab");
  const work = join(lab, `unpacking-${process.pid}`);
  rmSync(work, { recursive: true, force: true });
  const tree = join(work, "tree");
  mkdirSync(tree, { recursive: true });
  try {
    const { options: apt, isOwn } = aptOptionsFor({ release: GUEST_RELEASE, types: "deb", work });
    if (!isOwn) runQuietly("apt-get", [...apt, "-qq", "update"], work);
    const kernel = dependenciesOf([KERNEL_META_PACKAGE], apt).find((name) => name.startsWith("linux-image-"));
    if (kernel === undefined) {
      throw new Error(
        `Debian ${GUEST_RELEASE} has no package ${KERNEL_META_PACKAGE}, says apt: is the mirror whole?`,
      );
    }
    log(
      `Unpacking ${[kernel, ...GUEST_PROGRAMS.map(({ name }) => name)].join(", ")} for the guests into .lab`,
    );
    const had = new Set();
    unpack({ names: [kernel, ...GUEST_PROGRAMS.map(({ name }) => name)], apt, work, tree, had });
    const libraries = addLibraries({ apt, work, tree, had });
    const version = readdirSync(join(tree, "boot"))
      .find((name) => name.startsWith("vmlinuz-"))
      ?.slice("vmlinuz-".length);
    if (version === undefined) throw new Error(`The package ${kernel} holds no boot/vmlinuz-*`);
    const name = `guest-${version}-${FORMAT}`;
    const home = join(lab, name);
    for (const scratch of ["archives", "apt"]) rmSync(join(work, scratch), { recursive: true, force: true });
    rmSync(home, { recursive: true, force: true });
    renameSync(work, home);
    const index = {
      format: FORMAT,
      tree: join(name, "tree"),
      kernel: {
        version,
        image: join("boot", `vmlinuz-${version}`),
        modules: join("lib/modules", version),
      },
      programs: GUEST_PROGRAMS.map(({ program }) => program),
      libraries,
      packages: sorted(had),
    };
    writeFileSync(`${guestFilesIndex(root)}.${process.pid}`, `${JSON.stringify(index, null, 2)}\n`);
    renameSync(`${guestFilesIndex(root)}.${process.pid}`, guestFilesIndex(root));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Where Prometheus is unpacked for the tests of metrics, alerts and dashboard; src/lab/prometheus.ts reads it. */
export function prometheusTree(root) {
  return join(root, ".lab", "prometheus");
}

/** Unpacked, not installed: the package would start a service. Its programs are static but for the C library. */
export function fetchPrometheus({ root, log }) {
  const tree = prometheusTree(root);
  if (existsSync(tree)) return;
  log("Unpacking prometheus for the tests into .lab");
  const work = `${tree}-${process.pid}`;
  try {
    mkdirSync(join(work, "tree"), { recursive: true });
    unpack({ names: ["prometheus"], apt: [], work, tree: join(work, "tree"), had: new Set() });
    renameSync(join(work, "tree"), tree);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * Adds the libraries that the programs' own loader misses, level by level of the packages' dependencies, and
 * returns all that they need, relative to the tree: loader first, then by name.
 */
function addLibraries({ apt, work, tree, had }) {
  let level = GUEST_PROGRAMS.map(({ name }) => name);
  for (let depth = 0; depth < DEPENDENCY_LEVELS_MAX; depth++) {
    const wanted = dependenciesOf(level, apt).filter((name) => /^z?lib/.test(name) && !had.has(name));
    level = [...new Set(wanted)];
    if (level.length === 0) break;
    unpack({ names: level, apt, work, tree, had });
    const { found, missing } = librariesOf(tree);
    if (missing.length === 0) return found;
  }
  throw new Error(`No package has the libraries ${librariesOf(tree).missing.join(", ")}`);
}

/**
 * Asks the tree's dynamic loader what each program needs. What it finds on this machine and not in the tree is
 * missing.
 */
function librariesOf(tree) {
  if (!existsSync(join(tree, LOADER))) throw new Error(`The package libc6 holds no ${LOADER}`);
  const path = ["lib", "usr/lib"].map((base) => join(tree, base, "x86_64-linux-gnu")).join(":");
  const found = new Set();
  const missing = new Set();
  for (const { program, isStatic } of GUEST_PROGRAMS) {
    if (isStatic) continue;
    const { stdout, stderr, status, error } = spawnSync(
      join(tree, LOADER),
      ["--inhibit-cache", "--library-path", path, "--list", join(tree, program)],
      { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] },
    );
    if (error !== undefined) throw new Error(`The guests' own loader cannot run here: ${error.message}`);
    // Most of what is missing is listed as such; what the loader needs to go on at all ends it, and is named last.
    const fatal = /error while loading shared libraries: ([^\s:]+):/.exec(stderr)?.[1];
    if (fatal !== undefined) missing.add(fatal);
    else if (status !== 0) throw new Error(`The guests' own loader cannot list ${program}: ${stderr.trim()}`);
    for (const [, name, where] of stdout.matchAll(/^\s*(\S+) => (.+?)(?: \(0x[0-9a-f]+\))?$/gm)) {
      if (name.startsWith("/lib64/")) continue;
      if (where.startsWith(tree)) found.add(relative(tree, where));
      else missing.add(name);
    }
  }
  return { found: [LOADER, ...sorted(found)], missing: sorted(missing) };
}

function sorted(names) {
  return [...names].sort((a, b) => (a < b ? -1 : 1));
}

/** The direct dependencies of all of them; one call, because apt takes half a second to start. */
function dependenciesOf(names, apt) {
  const kinds = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"];
  const output = execFileSync(
    "apt-cache",
    [...apt, "depends", ...kinds.map((kind) => `--no-${kind}`), ...names],
    {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  return [...output.matchAll(/^\s*\|?(?:Pre)?Depends: (\S+)$/gm)].map(([, dependency]) => dependency);
}

function unpack({ names, apt, work, tree, had }) {
  const archives = join(work, "archives");
  mkdirSync(archives, { recursive: true });
  // apt drops root's rights for downloads and warns when it cannot enter the folder; ours belongs to the caller.
  const asCaller = process.getuid() === 0 ? ["-o", "APT::Sandbox::User=root"] : [];
  runQuietly("apt-get", [...asCaller, ...apt, "download", ...names], archives);
  for (const file of readdirSync(archives)) {
    runQuietly("dpkg-deb", ["-x", join(archives, file), tree], archives);
    rmSync(join(archives, file));
  }
  for (const name of names) had.add(name);
}

function runQuietly(command, args, cwd) {
  try {
    execFileSync(command, args, { cwd, stdio: ["ignore", "ignore", "pipe"], timeout: DOWNLOAD_MAX_MS });
  } catch (error) {
    const said = String(error.stderr ?? "")
      .trim()
      .split("\n")
      .slice(-3)
      .join("; ");
    throw new Error(`${command} ${args.slice(0, 6).join(" ")} failed: ${said || error.message}`);
  }
}
