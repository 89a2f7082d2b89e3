/**
 * apt on the packages of a stated Debian release, whatever this machine's own is: the machine's mirror, proxies and keys, but
 * private lists, so that its own stay as they are. apt checks the signatures. Nothing is installed, so no root is needed.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Options for apt-get and apt-cache after `apt-get update` with the same, which is left to the caller. None where this machine
 * is of that release and its own lists will do (`types` "deb").
 */
export function aptOptionsFor({ release, types, work }) {
  if (types === "deb" && ownRelease() === release) return { options: [], isOwn: true };
  const sources = [
    `Types: ${types}`,
    `URIs: ${debianMirror()}`,
    `Suites: ${release}`,
    "Components: main",
    ...(existsSync(KEYRING) ? [`Signed-By: ${KEYRING}`] : []),
  ];
  const home = join(work, "apt");
  mkdirSync(join(home, "lists", "partial"), { recursive: true });
  mkdirSync(join(home, "cache", "archives", "partial"), { recursive: true });
  writeFileSync(join(home, `${release}.sources`), `${sources.join("\n")}\n`);
  const options = [
    `Dir::Etc::sourcelist=${join(home, `${release}.sources`)}`,
    "Dir::Etc::sourceparts=-",
    `Dir::State::lists=${join(home, "lists")}`,
    `Dir::Cache=${join(home, "cache")}`,
    // What this machine has installed may be newer than what the release has, and would be asked for in its place.
    "Dir::State::status=/dev/null",
    // The sandbox user cannot write into a checkout that belongs to somebody else.
    "APT::Sandbox::User=root",
  ].flatMap((option) => ["-o", option]);
  return { options, isOwn: false };
}

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** "bookworm" */
function ownRelease() {
  try {
    return /^VERSION_CODENAME=(.*)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? null;
  } catch {
    return null;
  }
}

/** Where this machine gets Debian's main packages from, in the words of its own apt configuration. */
function debianMirror() {
  const codename = ownRelease();
  const format = "$(REPO_URI) $(RELEASE) $(COMPONENT)";
  const { status, stdout } = spawnSync("apt-get", ["indextargets", "--format", format], { encoding: "utf8" });
  const target = (status === 0 ? stdout : "")
    .split("\n")
    .map((line) => line.split(" "))
    .find(([, release, component]) => (release === codename || release === "stable") && component === "main");
  if (target?.[0]) return target[0];
  throw new Error(
    `apt knows no mirror for Debian ${codename ?? "(unknown release)"}: run apt-get update as root once`,
  );
}
