/**
 * The Debian packages, built and installed with dpkg into a root of their own: what they bring works from there, and
 * taking them away leaves nothing.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseConfig } from "../protocol/config.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };

let root: string;

beforeAll(() => {
  run("node", [join(ROOT, "scripts", "package.mjs")]);
  root = mkdtempSync(join(tmpdir(), "vbal-installed-"));
  mkdirSync(join(root, "var/lib/dpkg/info"), { recursive: true });
  mkdirSync(join(root, "var/lib/dpkg/updates"));
  writeFileSync(join(root, "var/lib/dpkg/status"), "");
  // Node is not a package of this root.
  dpkg("--force-depends", "--install", deb("vbal"), deb("vbal-agent"));
}, 300_000);

afterAll(() => rmSync(root, { recursive: true, force: true }));

test("the program runs from where it was installed, with everything that it needs", () => {
  expect(run(installed("usr/bin/vbal"), ["--version"]).trim()).toBe(version);
  const plan = run(installed("usr/bin/vbal"), [
    "plan",
    "--from",
    join(ROOT, "examples/paper-12pcpu.yaml"),
    "--json",
  ]);
  const { domains } = JSON.parse(plan) as { domains: { target: number }[] };
  expect(domains.map(({ target }) => target)).toEqual([8, 4]);
  expect(run(installed("usr/bin/vbal"), ["sim", "list"])).toContain("mm1");
});

test("its config is right, only observes, and its tokens are for its owner alone", () => {
  const file = installed("etc/vbal/vbal.yaml");
  const parsed = parseConfig({ file, text: readFileSync(file, "utf8"), measures: [] });
  if ("errors" in parsed) throw new Error(JSON.stringify(parsed.errors));
  expect(parsed.config.policy.mode).toBe("observe");
  for (const role of ["read", "write"]) {
    const token = installed(`etc/vbal/${role}.token`);
    expect(readFileSync(token, "utf8")).toMatch(/^[0-9a-f]{64}\n$/);
    expect(statSync(token).mode & 0o077).toBe(0);
  }
  const address = run(installed("usr/bin/vbal"), ["page", "--config", file]).trim();
  expect(address).toMatch(/^http:\/\/127\.0\.0\.1:4780\/#token=[0-9a-f]{64}$/);
});

test("pages of the manual, completions, units and the page are there", () => {
  const manual = gunzipSync(readFileSync(installed("usr/share/man/man1/vbal.1.gz"))).toString();
  for (const command of ["up", "status", "doctor", "request", "release", "sim run"]) {
    expect(manual).toContain(`.SS vbal ${command}`);
  }
  expect(gunzipSync(readFileSync(installed("usr/share/man/man8/vbal-agent.8.gz"))).toString()).toContain(
    "vbal-agent",
  );
  expect(run("bash", ["-n", installed("usr/share/bash-completion/completions/vbal")])).toBe("");
  expect(readFileSync(installed("usr/lib/systemd/system/vbal.service"), "utf8")).toContain("Type=notify");
  expect(existsSync(installed("usr/lib/vbal/dist/web/page.js.gz"))).toBe(true);
});

test("the guest's package has the static agent, its unit and the rule that starts it when the port comes", () => {
  expect(run(installed("usr/sbin/vbal-agent"), ["--version"])).toContain("vbal-agent");
  const rule = readFileSync(installed("usr/lib/udev/rules.d/60-vbal-agent.rules"), "utf8");
  expect(rule).toMatch(/ATTR\{name\}=="org\.vbal\.agent\.0".*SYSTEMD_WANTS\}="vbal-agent\.service"/);
});

test("nothing of the workplace is in it: no test, no type, no path of the machine that built it", () => {
  const files = filesIn(installed("usr"));
  expect(
    files.filter((file) => /\.(test|d)\.[cm]?[jt]s$/.test(file) && !file.includes("node_modules")),
  ).toEqual([]);
  const named = spawnSync("grep", ["-rlI", "--exclude-dir=node_modules", ROOT, installed("usr/lib/vbal")], {
    encoding: "utf8",
  });
  expect(named.stdout).toBe("");
});

test("purging leaves nothing behind", () => {
  mkdirSync(installed("var/lib/vbal"), { recursive: true });
  writeFileSync(installed("var/lib/vbal/journal.jsonl"), "");
  dpkg("--purge", "vbal", "vbal-agent");
  expect(filesIn(root).filter((file) => !file.startsWith("var/lib/dpkg"))).toEqual([]);
});

function deb(name: string): string {
  return join(ROOT, "dist", "packages", `${name}_${version}_amd64.deb`);
}

function installed(path: string): string {
  return join(root, path);
}

function dpkg(...args: readonly string[]): void {
  run("dpkg", [`--root=${root}`, "--force-not-root", "--force-script-chrootless", ...args]);
}

function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}
