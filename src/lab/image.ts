/**
 * The guests' root file system: an uncompressed archive (it boots faster than a compressed one) with busybox, the
 * kernel's virtio modules, the agents and the guest programs. Its name holds a hash of everything that goes into
 * it, so it is made again exactly when an input changed.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { type ArchiveEntry, cpioArchive, foldersOf } from "./cpio.ts";
import { type GuestFiles, readGuestFiles } from "./guest_files.ts";

/** Throws when a package's file is absent or a guest program does not compile. Safe to run twice at once. */
export async function buildImage(root: string): Promise<GuestImage> {
  const files = readGuestFiles(root);
  const sources = readSources(root);
  const agent = readAgent(root);
  const hash = createHash("sha256");
  hash.update(JSON.stringify([files.kernelVersion, files.programs, files.libraries, MODULES, APPLETS]));
  for (const { name, bytes } of [...sources, { name: AGENT, bytes: agent ?? "" }]) {
    hash.update(`\0${name}\0`).update(bytes);
  }
  const path = join(root, ".lab", `image-${hash.digest("hex").slice(0, 16)}.cpio`);
  if (!existsSync(path)) {
    const scratch = mkdtempSync(join(root, ".lab", "building-"));
    try {
      const compiled = await compilePrograms(root, scratch);
      const archive = join(scratch, "image.cpio");
      writeFileSync(archive, cpioArchive(imageEntries({ files, compiled, agent, root })));
      renameSync(archive, path);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
    forgetOldImages(root, path);
  }
  return { kernel: files.kernelImage, initrd: path, hasVbalAgent: agent !== null };
}

export interface GuestImage {
  readonly kernel: string;
  readonly initrd: string;
  /** The agent had been built when the image was made. */
  readonly hasVbalAgent: boolean;
}

/** Where the agent's build puts its static binary. */
const AGENT = "dist/agent/vbal-agent";

/** In the order in which they must be loaded: virtio_ring has the symbols that all others need. */
const MODULES = [
  "kernel/drivers/virtio/virtio_ring.ko",
  "kernel/drivers/virtio/virtio.ko",
  "kernel/drivers/virtio/virtio_pci_modern_dev.ko",
  "kernel/drivers/virtio/virtio_pci_legacy_dev.ko",
  "kernel/drivers/virtio/virtio_pci.ko",
  "kernel/drivers/char/virtio_console.ko",
];

/** The commands of busybox that init, guest programs and tests call. */
const APPLETS = [
  ..."sh cat echo ls ln mkdir mount umount insmod usleep sleep kill ps grep sed awk tr cut head tail wc sort".split(
    " ",
  ),
  ..."nproc taskset chmod cp mv rm dd env true false test printf seq uname dmesg reboot poweroff date".split(
    " ",
  ),
  ..."hexdump mkfifo pidof killall timeout readlink find xargs time yes md5sum setsid nice".split(" "),
];

/** Images kept for checkouts that go back and forth between two versions of the agent. */
const IMAGES_KEPT = 3;

const COMPILE_MAX_MS = 60_000;

interface Compiled {
  readonly runner: Uint8Array;
  readonly vcpuWrite: Uint8Array;
  readonly pattern: Uint8Array;
  readonly hold: Uint8Array;
  readonly load: Uint8Array;
}

function imageEntries(parts: {
  readonly files: GuestFiles;
  readonly compiled: Compiled;
  readonly agent: Uint8Array | null;
  readonly root: string;
}): readonly ArchiveEntry[] {
  const { files, compiled, agent, root } = parts;
  const fromTree = (path: string) => ({ path, bytes: readFileSync(join(files.tree, path)) });
  const modules = MODULES.map((path) => readModule(files, path));
  const all = [
    ...[...files.programs, ...files.libraries].map(fromTree),
    ...modules.map(({ name, bytes }) => ({ path: `lab/${name}`, bytes })),
    { path: "lab/modules", bytes: Buffer.from(modules.map(({ name }) => `${name}\n`).join("")) },
    { path: "lab/runner", bytes: compiled.runner },
    { path: "lab/vcpu_write", bytes: compiled.vcpuWrite },
    { path: "lab/pattern", bytes: compiled.pattern },
    { path: "lab/hold", bytes: compiled.hold },
    { path: "lab/load", bytes: compiled.load },
    { path: "lab/agent", bytes: readFileSync(join(root, "src/lab/guest/agent.sh")) },
    { path: "init", bytes: readFileSync(join(root, "src/lab/guest/init.sh")) },
    ...(agent === null ? [] : [{ path: "bin/vbal-agent", bytes: agent }]),
  ];
  const mounts = ["proc", "sys", "dev", "run", "tmp", "root", "sbin", "usr/sbin", "etc"].map(
    (path) => `${path}/.`,
  );
  return [
    ...foldersOf([...mounts, ...all.map(({ path }) => path)]),
    { path: "dev/console", kind: "character-device", major: 5, minor: 1 },
    ...APPLETS.map((name) => ({ path: `bin/${name}`, kind: "link" as const, target: "busybox" })),
    ...all.map(({ path, bytes }) => ({ path, kind: "file" as const, executable: true, bytes })),
  ];
}

function readModule(files: GuestFiles, path: string): { readonly name: string; readonly bytes: Uint8Array } {
  const full = join(files.tree, files.modules, path);
  if (existsSync(full)) return { name: basename(path), bytes: readFileSync(full) };
  throw new Error(`Kernel ${files.kernelVersion} has no module ${path} below ${dirname(full)}`);
}

function readSources(root: string): readonly { readonly name: string; readonly bytes: Uint8Array }[] {
  return ["src/lab/guest", "src/lab/programs"].flatMap((folder) =>
    readdirSync(join(root, folder))
      .sort()
      .map((name) => ({ name, bytes: readFileSync(join(root, folder, name)) })),
  );
}

function readAgent(root: string): Uint8Array | null {
  const path = join(root, AGENT);
  return existsSync(path) ? readFileSync(path) : null;
}

async function compilePrograms(root: string, scratch: string): Promise<Compiled> {
  const programs = readdirSync(join(root, "src/lab/programs")).filter((name) => name.endsWith(".c"));
  const [runner, vcpuWrite, pattern, hold, load] = await Promise.all([
    compile(["src/lab/guest/runner.c"], "runner"),
    compile(["src/lab/guest/vcpu_write.c"], "vcpu_write"),
    compile(["src/lab/guest/pattern.c"], "pattern"),
    compile(["src/lab/guest/hold.c"], "hold"),
    compile(
      programs.sort().map((name) => join("src/lab/programs", name)),
      "load",
    ),
  ]);
  return { runner, vcpuWrite, pattern, hold, load };

  async function compile(sources: readonly string[], name: string): Promise<Uint8Array> {
    const output = join(scratch, name);
    const flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-std=gnu11", "-static", "-pthread", "-s"];
    await promisify(execFile)("gcc", [...flags, "-o", output, ...sources], {
      cwd: root,
      timeout: COMPILE_MAX_MS,
    });
    return readFileSync(output);
  }
}

function forgetOldImages(root: string, current: string): void {
  const folder = join(root, ".lab");
  const images = readdirSync(folder)
    .filter((name) => /^image-.*\.cpio$/.test(name) && name !== basename(current))
    .map((name) => ({ name, time: statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => b.time - a.time || (a.name < b.name ? -1 : 1));
  for (const { name } of images.slice(IMAGES_KEPT - 1)) rmSync(join(folder, name), { force: true });
}
