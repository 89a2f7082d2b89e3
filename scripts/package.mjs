/**
 * Builds the Debian packages: dist/packages/vbal_VERSION_amd64.deb for a host and vbal-agent_VERSION_amd64.deb for its
 * guests, with man pages, shell completions and units. Needs dpkg-deb; installs nothing.
 *
 * Use: npm run package
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { buildAgent } from "./build_agent.mjs";
import { buildWeb } from "./build_web.mjs";
import { commandManual, plainManual } from "./manual.mjs";

const ARCHITECTURE = "amd64";
const MAINTAINER = "The vbal authors <vbal@localhost>";

/** Builds both; answers their paths. */
export async function buildPackages({ root, log = console.log }) {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-b"], { cwd: root });
  await buildWeb({ root, log });
  const agent = await buildAgent({ root, log });
  const out = join(root, "dist", "packages");
  mkdirSync(out, { recursive: true });
  const work = mkdtempSync(join(tmpdir(), "vbal-package-"));
  try {
    log("Putting together the package for hosts");
    const host = await hostPackage({ root, out, version, tree: join(work, "host") });
    log("Putting together the package for guests");
    const guest = guestPackage({ root, out, version, agent, tree: join(work, "guest") });
    return [host, guest];
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function hostPackage({ root, out, version, tree }) {
  const library = join(tree, "usr/lib/vbal");
  put(tree, "usr/lib/vbal/package.json", readFileSync(join(root, "package.json")));
  for (const layer of [
    "core",
    "protocol",
    "hypervisor",
    "agent",
    "sim",
    "study",
    "daemon",
    "lab",
    "bench",
    "cli",
    "web",
  ]) {
    cpSync(join(root, "dist", layer), join(library, "dist", layer), { recursive: true, filter: isShipped });
  }
  for (const folder of ["scenarios", "studies", "examples"]) {
    cpSync(join(root, folder), join(library, folder), { recursive: true });
  }
  for (const path of productionPackages(root)) {
    cpSync(join(root, path), join(library, path), { recursive: true, filter: isShipped });
  }
  mkdirSync(join(tree, "usr/bin"), { recursive: true });
  symlinkSync("../lib/vbal/dist/cli/main.js", join(tree, "usr/bin/vbal"));
  chmodSync(join(library, "dist/cli/main.js"), 0o755);

  const ask = await vbalOf({ root, version });
  put(tree, "usr/share/man/man1/vbal.1.gz", gzipSync(await commandManual({ version, ask }), { level: 9 }));
  put(tree, "usr/share/bash-completion/completions/vbal", await ask("completion", "bash"));
  put(tree, "usr/share/zsh/vendor-completions/_vbal", await ask("completion", "zsh"));
  put(tree, "usr/share/fish/vendor_completions.d/vbal.fish", await ask("completion", "fish"));
  put(tree, "usr/lib/systemd/system/vbal.service", source(root, "host/vbal.service"));
  for (const name of ["alerts.yaml", "grafana.json"]) {
    put(tree, `usr/share/doc/vbal/examples/${name}`, source(root, name));
  }
  put(tree, "etc/vbal/vbal.yaml", source(root, "host/vbal.yaml"));
  putDocs(tree, "vbal", version);
  return pack({
    tree,
    out,
    name: "vbal",
    version,
    depends: "nodejs (>= 20.19), libc6",
    recommends: "libvirt0",
    summary: "gives virtual machines pCPUs by weight and lets their vCPUs follow",
    description: [
      "vbal ends the double scheduling of SMP virtual machines on KVM hosts: each gets",
      "pCPUs by weight, uses as many vCPUs, and each vCPU has a pCPU of its own.",
      "Installed it changes nothing; its first config only observes.",
    ],
    conffiles: ["/etc/vbal/vbal.yaml"],
    scripts: Object.fromEntries(
      ["postinst", "prerm", "postrm"].map((name) => [name, source(root, `host/${name}`)]),
    ),
  });
}

/**
 * Runs vbal with arguments and answers what it printed. In this process: one that is started for the help of every
 * command spends half a minute on nothing but starting.
 */
async function vbalOf({ root, version }) {
  const program = (name) => import(pathToFileURL(join(root, "dist/cli", name)).href);
  const [{ runProgram }, { PLAIN }] = await Promise.all([program("program.js"), program("style.js")]);
  return async (...args) => {
    const lines = [];
    const exitCode = await runProgram(args, version, {
      print: (text) => lines.push(`${text}\n`),
      printError: (text) => lines.push(`${text}\n`),
      isScreen: false,
      columns: () => 100,
      rows: () => 40,
      style: { ...PLAIN, unicode: true },
      utcOffsetMinutes: 0,
      environment: {},
    });
    if (exitCode !== 0) throw new Error(`vbal ${args.join(" ")} failed: ${lines.join("")}`);
    return lines.join("");
  };
}

function guestPackage({ root, out, version, agent, tree }) {
  put(tree, "usr/sbin/vbal-agent", readFileSync(agent), 0o755);
  const help = said(agent, ["--help"]);
  put(tree, "usr/share/man/man8/vbal-agent.8.gz", gzipSync(plainManual({ version, help }), { level: 9 }));
  put(tree, "usr/lib/systemd/system/vbal-agent.service", source(root, "guest/vbal-agent.service"));
  put(tree, "usr/lib/udev/rules.d/60-vbal-agent.rules", source(root, "guest/60-vbal-agent.rules"));
  putDocs(tree, "vbal-agent", version);
  return pack({
    tree,
    out,
    name: "vbal-agent",
    version,
    summary: "lets the host change how many vCPUs this guest uses",
    description: [
      "The guest's end of vbal: takes and gives back vCPUs as the host asks, measures",
      "the load, and asks for one more vCPU when it is short. Needs a virtio-serial",
      "port named org.vbal.agent.0; without one it does not run.",
    ],
    conffiles: [],
    scripts: Object.fromEntries(["postinst", "prerm"].map((name) => [name, source(root, `guest/${name}`)])),
  });
}

/** What Debian wants to find beside every program. */
function putDocs(tree, name, version) {
  const copyright = [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
    "Upstream-Name: vbal",
    "",
    "Files: *",
    "Copyright: The vbal authors",
    "License: Apache-2.0",
    " On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.",
    "",
  ];
  put(tree, `usr/share/doc/${name}/copyright`, copyright.join("\n"));
  const changelog = [
    `${name} (${version}) unstable; urgency=medium`,
    "",
    "  * See CHANGELOG.md of the source.",
    "",
    // The day does not matter to anybody, and the same source must give the same package.
    ` -- ${MAINTAINER}  Thu, 01 Jan 2026 00:00:00 +0000`,
    "",
  ];
  put(tree, `usr/share/doc/${name}/changelog.gz`, gzipSync(changelog.join("\n"), { level: 9 }));
}

/** Type declarations, maps, tests and sources of what is built already are for those who build it. */
function isShipped(path) {
  if (
    /node_modules\/(koffi\/(vendor|lib\/native)|bintrees\/test|pino\/(docs|index\.html)|@koromix\/[^/]+\/musl)/.test(
      path,
    )
  ) {
    return false;
  }
  if (/\/\.(npmignore|git\w+)$/.test(path)) return false;
  return !/(\.d\.[cm]?ts|\.map|\.tsbuildinfo|\.made-of|\.test\.js|_suite\.js|\.md)$/.test(path);
}

/** The folders of everything that the product itself imports, with what those import. */
function productionPackages(root) {
  const listed = said("npm", ["ls", "--omit=dev", "--all", "--parseable"], { cwd: root });
  return [...new Set(listed.split("\n").filter((path) => path.includes("/node_modules/")))].map((path) =>
    path.slice(root.length + 1),
  );
}

function pack({ tree, out, name, version, depends, recommends, summary, description, conffiles, scripts }) {
  const installed = Number(said("du", ["-sk", "--apparent-size", tree]).split("\t")[0]);
  const control = [
    `Package: ${name}`,
    `Version: ${version}`,
    `Architecture: ${ARCHITECTURE}`,
    `Maintainer: ${MAINTAINER}`,
    "Section: admin",
    "Priority: optional",
    `Installed-Size: ${installed}`,
    ...(depends === undefined ? [] : [`Depends: ${depends}`]),
    ...(recommends === undefined ? [] : [`Recommends: ${recommends}`]),
    `Description: ${summary}`,
    ...description.map((line) => ` ${line}`),
    "",
  ];
  put(tree, "DEBIAN/control", control.join("\n"));
  if (conffiles.length > 0) put(tree, "DEBIAN/conffiles", `${conffiles.join("\n")}\n`);
  for (const [script, text] of Object.entries(scripts)) put(tree, `DEBIAN/${script}`, text, 0o755);
  const file = join(out, `${name}_${version}_${ARCHITECTURE}.deb`);
  // What every dpkg can unpack; xz takes ten times as long for a fifth less.
  run("dpkg-deb", ["--root-owner-group", "-Zgzip", "--build", tree, file]);
  return file;
}

function put(tree, path, content, mode = 0o644) {
  const file = join(tree, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  chmodSync(file, mode);
}

function source(root, path) {
  return readFileSync(join(root, "packaging", path));
}

function said(command, args, options = {}) {
  return run(command, args, options).stdout;
}

function run(command, args, options = {}) {
  const ended = spawnSync(command, args, {
    ...options,
    encoding: "utf8",
    maxBuffer: 64 << 20,
    env: { ...process.env, NO_COLOR: "1" },
  });
  if (ended.status === 0) return ended;
  throw new Error(
    `${command} ${args.join(" ")} failed: ${ended.error?.message ?? ended.stdout + ended.stderr}`,
  );
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  const root = resolve(import.meta.dirname, "..");
  for (const file of await buildPackages({ root })) {
    console.log(`${file.slice(root.length + 1)}  ${(statSync(file).size / 2 ** 20).toFixed(1)} MiB`);
  }
}
