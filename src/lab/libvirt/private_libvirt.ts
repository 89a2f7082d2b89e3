/**
 * A libvirt daemon of the lab's own, as root and without systemd. It has its own /run/libvirt, /var/lib/libvirt,
 * /etc/libvirt and user names in a mount namespace of its own, so that a libvirt of the machine is not touched, and ends
 * with the process that started it. Its sockets are below the lab's folder, where everybody can reach them.
 */
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { buildImage, type GuestImage } from "../image.ts";
import { type Lab, startLab } from "../lab.ts";
import { identify, killForGood, type ProcessIdentity, signal } from "../processes.ts";
import { guestPaths } from "../qemu_arguments.ts";
import { connectRunner } from "../runner.ts";
import { awakening } from "../saved_state.ts";
import { cgroupMounts, controllersInUse, tidyCgroups } from "./cgroup_layout.ts";
import { type LibvirtGuestSpec, libvirtDomainXml } from "./libvirt_domain_xml.ts";
import { whileSaveImage } from "./save_image.ts";

export interface PrivateLibvirt {
  /** For `virsh -c` and for vbal's config. */
  readonly uri: string;
  readonly folder: string;
  /** What it printed; rejects with what it said when it failed. */
  virsh(...args: readonly string[]): Promise<string>;
  /**
   * Starts a guest and resolves at once. `defined`: its definition stays when it ends. `paused`: it stands before its
   * first instruction, which costs nothing.
   */
  boot(spec: DomainSpec, kind?: BootKind): Promise<void>;
  /**
   * Restores a guest from a state at the end of its boot (saved_state.ts), as after `virsh save`, and resolves when it has
   * started its agent, in a third of a boot's time. It boots, with a warning, where the state cannot be read. `state`: this file.
   */
  restore(spec: DomainSpec, kind?: RestoreKind, state?: string): Promise<void>;
  /** The QEMU of a running guest. */
  qemu(name: string): ProcessIdentity;
  /** What a command in the guest printed, without the last newline. */
  output(name: string, argv: readonly string[]): Promise<string>;
  /** Ends every guest and forgets its definition. */
  clear(): Promise<void>;
  /** A URI that reaches it as if it were on another host: through a program, as ssh is one. */
  tunnelUri(): string;
  /** SIGSTOP: the daemon takes connections and calls, and answers none. SIGCONT ends that. */
  signal(name: "SIGSTOP" | "SIGCONT"): void;
  /** Ends the daemon as by a crash; the guests run on. */
  kill(): Promise<void>;
  /** Starts it again. */
  start(): Promise<void>;
  /** Ends guests and daemon and removes their files. */
  stop(): Promise<void>;
}

/** Arguments for `virsh metadata`, before the element. */
export const SET_METADATA: readonly string[] = ["--uri", "urn:vbal:policy", "--key", "vbal", "--set"];

export type DomainSpec = Omit<LibvirtGuestSpec, "uuid">;
export type RestoreKind = "transient" | "defined";
export type BootKind = RestoreKind | "paused";

export interface PrivateLibvirtOptions {
  /** One name, below `.lab/run`. */
  readonly dir: string;
  /** The cgroup controllers that libvirt uses; none when absent. */
  readonly cgroupControllers?: readonly string[];
}

const PROJECT_ROOT = resolve(import.meta.dirname, "../../..");
const REAPER_SOURCE = join(PROJECT_ROOT, "src/lab/libvirt/reaper.c");
const DAEMON = "/usr/sbin/libvirtd";
const DRIVER = "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so";
/** Its first start ever looks at every QEMU binary, which takes ten seconds under no load. */
const START_MAX_MS = 60_000;
const COMPILE_MAX_MS = 60_000;
const VIRSH_MAX_MS = 30_000;
const BOOT_MAX_MS = 60_000;
const LOOK_EVERY_MS = 20;

/** Throws with what to do when a package is missing or this is not root. */
export async function startPrivateLibvirt(options: PrivateLibvirtOptions): Promise<PrivateLibvirt> {
  const lacking = whyNoLibvirt();
  if (lacking !== null) throw new Error(lacking);
  const image = await buildImage(PROJECT_ROOT);
  const libvirt = new Daemon(options, image);
  await libvirt.reap();
  await libvirt.prepare();
  await libvirt.start();
  return libvirt;
}

/** `null` where the lab can have a libvirt, else the reason why not and what to do. */
export function whyNoLibvirt(): string | null {
  if (process.getuid?.() !== 0) return "a libvirt of the lab's own needs root: run the tests as root";
  const missing = [DAEMON, DRIVER, "/usr/bin/virsh"].filter((path) => !existsSync(path));
  return missing.length === 0 ? null : `${missing.join(", ")} missing: run node scripts/setup.mjs --for test`;
}

class Daemon implements PrivateLibvirt {
  readonly uri: string;
  readonly folder: string;
  readonly #image: GuestImage;
  readonly #options: PrivateLibvirtOptions;
  /** The first half of its guests' UUIDs, by which they are known for this lab's. */
  readonly #mark: string;
  #process: ProcessIdentity | null = null;
  /** Where the states are made that guests go on from. */
  #lab: Promise<Lab> | null = null;
  readonly #controllersBefore = controllersInUse();

  constructor(options: PrivateLibvirtOptions, image: GuestImage) {
    this.#options = options;
    this.#image = image;
    this.folder = join(PROJECT_ROOT, ".lab", "run", options.dir);
    this.uri = `qemu+unix:///system?socket=${join(this.folder, "run", "libvirt-sock")}`;
    const hash = createHash("sha256").update(this.folder).digest("hex");
    this.#mark = `${hash.slice(0, 8)}-${hash.slice(8, 12)}-4${hash.slice(13, 16)}`;
  }

  /** Ends what a process that is dead left behind. */
  async reap(): Promise<void> {
    const pid = Number(readIf(join(this.folder, "run", "libvirtd.pid")));
    const daemon =
      pid > 0 && (readIf(`/proc/${pid}/comm`) ?? "").trim() === "libvirtd" ? identify(pid) : null;
    if (daemon !== null) await killForGood(daemon);
    await this.#killGuests();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async prepare(): Promise<void> {
    for (const name of ["run", "lib", "log", "etc", "drivers"])
      mkdirSync(join(this.folder, name), { recursive: true });
    // What libvirt found out about QEMU is kept from one lab to the next.
    mkdirSync(this.#cache, { recursive: true });
    symlinkSync(DRIVER, join(this.folder, "drivers", "libvirt_driver_qemu.so"));
    const controllers = (this.#options.cgroupControllers ?? []).map((name) => `"${name}"`).join(", ");
    writeFileSync(
      join(this.folder, "etc", "qemu.conf"),
      [
        'user = "root"',
        'group = "root"',
        "dynamic_ownership = 0",
        "remember_owner = 0",
        'security_driver = "none"',
        `cgroup_controllers = [ ${controllers} ]`,
        "namespaces = []",
        'stdio_handler = "file"',
        "",
      ].join("\n"),
    );
    writeFileSync(
      join(this.folder, "etc", "libvirtd.conf"),
      ['unix_sock_group = "root"', 'auth_unix_rw = "none"', 'log_outputs = "3:stderr"', ""].join("\n"),
    );
    for (const name of ["passwd", "group"]) {
      const path = join(this.folder, name);
      writeFileSync(path, readFileSync(`/etc/${name}`));
      // libvirt's QEMU driver insists on this user even where it does not use it.
      const lines = readFileSync(path, "utf8").split("\n");
      const add = (line: string) => {
        if (!lines.some((one) => one.startsWith(`${line.split(":")[0]}:`))) appendFileSync(path, `${line}\n`);
      };
      if (name === "passwd") add("libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin");
      else for (const group of ["libvirt-qemu:x:64055:", "kvm:x:64056:"]) add(group);
    }
    const flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-std=gnu11"];
    await promisify(execFile)("gcc", [...flags, "-o", this.#reaper, REAPER_SOURCE], {
      timeout: COMPILE_MAX_MS,
    });
  }

  async start(): Promise<void> {
    const { folder } = this;
    const bind = (from: string, to: string) => `mount --bind '${from}' '${to}'`;
    const script = [
      "set -e",
      // Nothing of this is seen outside of the namespace, but for the empty folders to mount on.
      "mkdir -p /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt",
      bind(join(folder, "passwd"), "/etc/passwd"),
      bind(join(folder, "group"), "/etc/group"),
      bind(join(folder, "run"), "/run/libvirt"),
      bind(join(folder, "lib"), "/var/lib/libvirt"),
      bind(join(folder, "log"), "/var/log/libvirt"),
      bind(join(folder, "etc"), "/etc/libvirt"),
      bind(this.#cache, "/var/cache/libvirt"),
      ...cgroupMounts(),
      `exec ${DAEMON} --pid-file '${join(folder, "run", "libvirtd.pid")}'`,
    ].join("\n");
    const errors = openSync(join(folder, "libvirtd.log"), "a");
    const bonded = ["--pdeathsig", "KILL", this.#reaper, "unshare", "-m", "sh", "-c", script];
    const child = spawn("setpriv", bonded, {
      stdio: ["ignore", errors, errors],
      env: { ...process.env, LIBVIRT_DRIVER_DIR: join(folder, "drivers") },
    });
    closeSync(errors);
    child.unref();
    let ended = false;
    child.once("exit", () => {
      ended = true;
    });
    const reaper = child.pid === undefined ? null : identify(child.pid);
    for (let waited = 0; !ended && waited < START_MAX_MS; waited += LOOK_EVERY_MS) {
      if (existsSync(join(folder, "run", "libvirt-sock")) && (await this.#answers())) {
        this.#process = identify(Number(readIf(join(folder, "run", "libvirtd.pid"))));
        return;
      }
      await sleep(LOOK_EVERY_MS);
    }
    if (reaper !== null) await killForGood(reaper);
    throw new Error(`libvirtd did not come up:\n${readIf(join(folder, "libvirtd.log")) ?? ""}`);
  }

  async virsh(...args: readonly string[]): Promise<string> {
    try {
      const { stdout } = await promisify(execFile)("virsh", ["-q", "-c", this.uri, ...args], {
        timeout: VIRSH_MAX_MS,
      });
      return stdout.trimEnd();
    } catch (error) {
      const said = String((error as { stderr?: string }).stderr ?? "").trim();
      throw new Error(`virsh ${args.join(" ")}: ${said || String(error)}`);
    }
  }

  async boot(spec: DomainSpec, kind: BootKind = "transient"): Promise<void> {
    const { path } = this.#describe(spec);
    if (kind === "transient") await this.virsh("create", path);
    else if (kind === "paused") await this.virsh("create", "--paused", path);
    else {
      await this.virsh("define", path);
      await this.virsh("start", spec.name);
    }
  }

  async restore(spec: DomainSpec, kind: RestoreKind = "transient", state?: string): Promise<void> {
    const { name, vcpus, bootVcpus = vcpus, agent } = spec;
    this.#lab ??= startLab({ dir: "saving", accelerator: "tcg" });
    const from = state ?? (await (await this.#lab).stateOf({ name, vcpus, bootVcpus }));
    const sameShape = { ...spec, oneSocket: true };
    const { path, xml } = this.#describe(sameShape);
    if (kind === "defined") await this.virsh("define", path);
    try {
      const image = join(this.folder, `${name}.image`);
      await whileSaveImage({ path: image, xml, state: from }, () =>
        this.virsh("restore", image, "--running"),
      );
      await this.output(name, awakening({ agent }));
    } catch (fault) {
      process.emitWarning(`Guest ${name} boots, since it could not go on from ${from}: ${String(fault)}`);
      await this.virsh("destroy", name).catch(() => undefined);
      await this.boot(sameShape, kind);
    }
  }

  /** Writes its definition. */
  #describe(spec: DomainSpec): { readonly path: string; readonly xml: string } {
    if (spec.agent === "vbal" && !this.#image.hasVbalAgent)
      throw new Error(`Guest ${spec.name}: the vbal agent has not been built: run node scripts/setup.mjs`);
    const tail = createHash("sha256").update(spec.name).digest("hex");
    const uuid = `${this.#mark}-8${tail.slice(0, 3)}-${tail.slice(3, 15)}`;
    const path = join(this.folder, `${spec.name}.xml`);
    const xml = libvirtDomainXml({ spec: { ...spec, uuid }, folder: this.folder, image: this.#image });
    writeFileSync(path, xml);
    return { path, xml };
  }

  qemu(name: string): ProcessIdentity {
    const found = this.#qemu(name);
    if (found === null) throw new Error(`No QEMU of ${name} runs`);
    return found;
  }

  #qemu(name: string): ProcessIdentity | null {
    return identify(Number(readIf(join(this.folder, "run", "qemu", `${name}.pid`)) ?? -1));
  }

  async output(name: string, argv: readonly string[]): Promise<string> {
    const runner = await connectRunner(guestPaths(this.folder, name).runner, {
      deadlineMs: BOOT_MAX_MS,
      giveUp: () => null,
    });
    try {
      const { code, stdout, stderr } = await runner.exec(argv, {});
      if (code !== 0) throw new Error(`Guest ${name}: ${argv.join(" ")} exited with ${code}: ${stderr}`);
      return stdout.replace(/\n$/, "");
    } finally {
      runner.close();
    }
  }

  async clear(): Promise<void> {
    const names = async (...which: readonly string[]) =>
      (await this.virsh("list", "--name", ...which)).split("\n").filter((name) => name !== "");
    const each = async (deed: string, those: readonly string[]) =>
      Promise.all(those.map((name) => this.virsh(deed, name).catch(() => undefined)));
    const running = await names();
    // libvirt asks a guest to end and looks again after a fifth of a second; one that has ended it takes as it is.
    for (const qemu of running.map((name) => this.#qemu(name))) if (qemu !== null) signal(qemu, "SIGKILL");
    await each("destroy", running);
    await each("undefine", await names("--all"));
  }

  tunnelUri(): string {
    const path = join(this.folder, "tunnel");
    const socket = JSON.stringify(join(this.folder, "run", "libvirt-sock"));
    const pipe = `const s = connect(${socket}); process.stdin.pipe(s).pipe(process.stdout); s.on("close", () => process.exit());`;
    writeFileSync(path, `#!${process.execPath}\nimport { connect } from "node:net";\n${pipe}\n`);
    chmodSync(path, 0o755);
    return `qemu+ext:///system?command=${path}`;
  }

  signal(name: "SIGSTOP" | "SIGCONT"): void {
    if (this.#process !== null) signal(this.#process, name);
  }

  async kill(): Promise<void> {
    if (this.#process !== null) await killForGood(this.#process);
    rmSync(join(this.folder, "run", "libvirt-sock"), { force: true });
  }

  async stop(): Promise<void> {
    // libvirt ends the guests' control groups with them; what it cannot end any more is ended without it.
    await this.clear().catch(() => undefined);
    if (this.#process !== null) await killForGood(this.#process);
    await this.#killGuests();
    if (this.#options.cgroupControllers !== undefined) tidyCgroups(this.#controllersBefore);
    rmSync(this.folder, { recursive: true, force: true });
  }

  get #reaper(): string {
    return join(this.folder, "reaper");
  }

  get #cache(): string {
    return join(PROJECT_ROOT, ".lab", "libvirt-cache");
  }

  #answers(): Promise<boolean> {
    return this.virsh("version").then(
      () => true,
      () => false,
    );
  }

  async #killGuests(): Promise<void> {
    const guests = readdirSync("/proc")
      .filter((entry) => /^\d+$/.test(entry))
      .filter((entry) => (readIf(`/proc/${entry}/cmdline`) ?? "").includes(`\0-uuid\0${this.#mark}-`))
      .map((entry) => identify(Number(entry)));
    for (const guest of guests) if (guest !== null) await killForGood(guest);
  }
}

function readIf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
