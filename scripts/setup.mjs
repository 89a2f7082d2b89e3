/**
 * Makes a fresh clone ready: npm dependencies, Debian packages, guest files, build, agent. It runs before
 * `npm install`, so it imports nothing but Node. One line per step that has something to do, silence otherwise.
 *
 * Use: node scripts/setup.mjs [--for start|test|unit|bench] [--yes]
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { pathToFileURL } from "node:url";
import { fetchGuestPackages, fetchPrometheus, haveGuestPackages, prometheusTree } from "./guest_packages.mjs";

/** The first release with everything that the code uses; the same as "engines" in package.json. */
const NODE_MIN = [20, 19];

/** What must be installed on the machine itself; `proof` is a file that the package brings. */
const HOST_PACKAGES = [
  { name: "qemu-system-x86", proof: "/usr/bin/qemu-system-x86_64", purpose: "runs the lab's guests" },
  { name: "gcc", proof: "/usr/bin/gcc", purpose: "compiles the agent and the guest programs" },
  { name: "libc6-dev", proof: "/usr/include/stdio.h", purpose: "headers and the static C library" },
  { name: "make", proof: "/usr/bin/make", purpose: "builds QuickJS, which the agent is compiled with" },
  { name: "dpkg-dev", proof: "/usr/bin/dpkg-source", purpose: "unpacks the source package of QuickJS" },
];

/** For the tests on a libvirt of the lab's own; they bring no service that would start with the machine. */
const LIBVIRT_PACKAGES = [
  { name: "libvirt-daemon", proof: "/usr/sbin/libvirtd", purpose: "the daemon that the lab runs privately" },
  {
    name: "libvirt-daemon-driver-qemu",
    proof: "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so",
    purpose: "its QEMU driver",
  },
  { name: "libvirt-clients", proof: "/usr/bin/virsh", purpose: "virsh, which the tests compare with" },
];

/** For the tests of the page. */
const BROWSER_PACKAGES = [
  { name: "chromium", proof: "/usr/bin/chromium", purpose: "shows the dashboard to its tests" },
  {
    name: "fonts-dejavu-core",
    proof: "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    purpose: "the letters on its screen",
  },
];

/** What the simulator is compared with, by its tests (same digests) and by `vbal bench sim` (speed). */
const PEER_PACKAGES = [
  { name: "g++", proof: "/usr/bin/g++", purpose: "compiles the small model's C++ twin" },
  {
    name: "python3-simpy",
    proof: "/usr/lib/python3/dist-packages/SimPy/__init__.py",
    purpose: "runs the small model on SimPy",
  },
];

const INSTALL_MAX_MS = 900_000;

/**
 * `purpose`: "start" and "test" need real guests, "unit" needs none and looks for nothing that they are made of; "bench"
 * brings the peers that the simulator is compared with, as "test" does.
 * Shape of the answer: `lab` is true when real guests can be booted; otherwise `why` says in one sentence what is
 * missing and what to do, and the caller goes on with the simulated host.
 * Throws when not even the product itself can be built: wrong Node, npm failed, types do not check.
 */
export async function setUp({ root, purpose = "start", yes = false, log = console.log }) {
  refuseOldNode(process.versions.node);
  installNpmDependencies({ root, log });
  await build({ root, log });
  if (purpose === "unit") return { lab: false, why: "real guests were not asked for" };
  if (purpose === "bench") {
    const refusal = await installHostPackages({
      packages: PEER_PACKAGES,
      use: "compare with the simulator's peers",
      yes,
      log,
    });
    if (refusal !== null) throw new Error(refusal);
    return { lab: false, why: "real guests were not asked for" };
  }
  const why = await prepareRealHost({ root, purpose, yes, log });
  if (why === null) return { lab: true, why: "" };
  log(`No real guests on this machine: ${why}. Going on with the simulated host.`);
  return { lab: false, why };
}

export function refuseOldNode(version) {
  const [major, minor] = version.split(".").map(Number);
  const [needMajor, needMinor] = NODE_MIN;
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return;
  throw new Error(
    `vbal needs Node ${NODE_MIN.join(".")} or newer, and this is ${version}: install a newer Node`,
  );
}

function installNpmDependencies({ root, log }) {
  // npm writes this file last, so its time is the time of a finished install.
  const installed = modifiedAt(join(root, "node_modules", ".package-lock.json"));
  if (installed >= modifiedAt(join(root, "package-lock.json"))) return;
  log("Installing npm dependencies (npm ci)");
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: root });
}

async function build({ root, log }) {
  if (!existsSync(join(root, "dist"))) log("Building (tsc -b)");
  run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-b"], { cwd: root });
  const { buildWeb } = await import("./build_web.mjs");
  await buildWeb({ root, log });
}

/** `null` when real guests can be booted now, else the reason why not. */
async function prepareRealHost({ root, purpose, yes, log }) {
  const unfit = unfitMachine();
  if (unfit !== null) return unfit;
  try {
    const use = `${purpose === "test" ? "test on" : "run"} real guests`;
    const packages =
      purpose === "test"
        ? [...HOST_PACKAGES, ...LIBVIRT_PACKAGES, ...BROWSER_PACKAGES, ...PEER_PACKAGES]
        : HOST_PACKAGES;
    const refusal = await installHostPackages({ packages, use, yes, log });
    if (refusal !== null) return refusal;
    const wantsGuests = !haveGuestPackages(root);
    const wantsPrometheus = purpose === "test" && !existsSync(prometheusTree(root));
    if ((wantsGuests || wantsPrometheus) && !haveAptLists()) {
      if (process.getuid() !== 0) return "apt has no package lists; run apt-get update as root once";
      run("apt-get", ["update", "-qq"]);
    }
    if (wantsGuests) fetchGuestPackages({ root, log });
    if (wantsPrometheus) fetchPrometheus({ root, log });
    const { buildAgent } = await import("./build_agent.mjs");
    await buildAgent({ root, log });
    return null;
  } catch (error) {
    return error.message;
  }
}

function unfitMachine() {
  if (process.platform !== "linux") return `the lab needs Linux, and this is ${process.platform}`;
  if (process.arch !== "x64") return `the lab needs an x86-64 machine, and this is ${process.arch}`;
  if (!existsSync("/usr/bin/apt-get")) return "the lab needs Debian 12 or 13 (there is no apt-get here)";
  return null;
}

/** `null` when everything is there now, else the reason why not. */
async function installHostPackages({ packages, use, yes, log }) {
  const missing = packages.filter(({ proof }) => !existsSync(proof));
  if (missing.length === 0) return null;
  const names = missing.map(({ name }) => name);
  log(`To ${use}, these Debian packages are missing:`);
  for (const { name, purpose: what } of missing) log(`  ${name.padEnd(26)} ${what}`);
  const byHand = `apt-get install --no-install-recommends ${names.join(" ")}`;
  if (process.getuid() !== 0) return `packages are missing; as root: ${byHand}`;
  if (!yes && process.stdin.isTTY && process.stdout.isTTY && !(await confirmed("Install them now? [Y/n] "))) {
    return `packages are missing and were not wanted now; later: ${byHand}`;
  }
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  log(`Installing ${names.join(", ")} (apt-get)`);
  if (!haveAptLists()) run("apt-get", ["update", "-qq"], { env: environment });
  run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...names], { env: environment });
  return null;
}

async function confirmed(question) {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^(y(es)?)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}

function haveAptLists() {
  try {
    return readdirSync("/var/lib/apt/lists").some((name) => name.includes("_Packages"));
  } catch {
    return false;
  }
}

function modifiedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Runs to the end; what it printed is shown only when it failed. */
function run(command, args, options = {}) {
  const result = spawnSync(command, args, {
    ...options,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: INSTALL_MAX_MS,
    maxBuffer: 64 << 20,
  });
  if (result.status === 0) return;
  const said = `${result.stdout ?? ""}${result.stderr ?? ""}`.trim().split("\n").slice(-30).join("\n");
  throw new Error(
    `${command} ${args.join(" ")} failed (${result.error?.message ?? `exit ${result.status}`}):\n${said}`,
  );
}

async function main(args) {
  const purposeAt = args.indexOf("--for");
  const purpose = purposeAt < 0 ? "start" : args[purposeAt + 1];
  if (!["start", "test", "unit", "bench"].includes(purpose)) {
    throw new Error(`--for takes start, test, unit or bench, not ${purpose}`);
  }
  await setUp({ root: resolve(import.meta.dirname, ".."), purpose, yes: args.includes("--yes") });
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  main(process.argv.slice(2)).catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
