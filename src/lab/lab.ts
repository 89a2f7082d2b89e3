/**
 * Real guests for trying out, tests and benchmarks. Guests end with the process that started them, however that
 * ends: the kernel kills them at once, and what should be left over is found by its record at the next start.
 */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, renameSync } from "node:fs";
import { join, resolve } from "node:path";
import { fitsSocketPath, SOCKET_PATH_BYTES_MAX } from "../protocol/socket_path.ts";
import { chooseAccelerator } from "./accelerator.ts";
import { Guest } from "./guest.ts";
import { endGuest, readRecords, reapOrphans, writeRecord } from "./guest_record.ts";
import { buildImage, type GuestImage } from "./image.ts";
import { identify } from "./processes.ts";
import {
  type Accelerator,
  type GuestPaths,
  type GuestSpec,
  guestPaths,
  qemuArguments,
} from "./qemu_arguments.ts";
import { awakening, restoring, savedState } from "./saved_state.ts";

export interface LabOptions {
  /** Where the sockets are made; below `.lab/run` when it is one name. "default" when absent. */
  readonly dir?: string;
  /** "auto" takes KVM when a trial guest boots under it. */
  readonly accelerator?: Accelerator | "auto";
  /** The guests outlive this process, until `endLab`. */
  readonly keep?: boolean;
  /** Guests go on from a saved state at the end of their boot (saved_state.ts) instead of booting. */
  readonly restore?: boolean;
}

/**
 * Builds the image when an input of it changed, chooses the accelerator and ends what a dead process left in the
 * folder. Throws with what to do when guest files or QEMU are missing.
 */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const folder = labFolder(options.dir);
  mkdirSync(folder, { recursive: true });
  await reapOrphans(folder);
  const image = await buildImage(PROJECT_ROOT);
  const wanted = options.accelerator ?? "auto";
  const accelerator = wanted === "auto" ? await chooseAccelerator({ root: PROJECT_ROOT, image }) : wanted;
  const { keep = false, restore = false } = options;
  return new Lab({ folder, image, accelerator, keep, restore });
}

/** Ends every guest of a lab, whoever started it; returns their names. */
export async function endLab(dir?: string): Promise<readonly string[]> {
  const folder = labFolder(dir);
  const records = readRecords(folder);
  await Promise.all(records.map((record) => endGuest(folder, record)));
  return records.map(({ spec }) => spec.name);
}

/** The guests of a lab that another process started. */
export function attachLab(dir?: string): readonly Guest[] {
  const folder = labFolder(dir);
  return readRecords(folder).map((record) => new Guest(folder, record));
}

export class Lab {
  /** Where the sockets of all guests are; a daemon can be pointed at it. */
  readonly folder: string;
  readonly accelerator: Accelerator;
  readonly #image: GuestImage;
  readonly #keep: boolean;
  readonly #restore: boolean;
  readonly #guests = new Map<string, Guest>();

  constructor(parts: {
    folder: string;
    image: GuestImage;
    accelerator: Accelerator;
    keep: boolean;
    restore: boolean;
  }) {
    this.folder = parts.folder;
    this.accelerator = parts.accelerator;
    this.#image = parts.image;
    this.#keep = parts.keep;
    this.#restore = parts.restore;
  }

  get guests(): readonly Guest[] {
    return [...this.#guests.values()];
  }

  /**
   * Starts a guest and resolves at once; `waitReady` tells when it is up. Several may boot at the same time. One that is
   * restored has its state read before that, and the first of a shape boots.
   */
  async boot(spec: GuestSpec): Promise<Guest> {
    const paths = guestPaths(this.folder, spec.name);
    if (!this.#restore) return this.#start(spec, paths, []);
    const state = await this.stateOf(spec);
    const hidden = { ...paths, qmp: paths.qmpWhileRestored };
    const guest = await this.#start(spec, hidden, restoring(state));
    await guest.running();
    renameSync(hidden.qmp, paths.qmp);
    guest.awaken(awakening(spec));
    return guest;
  }

  /** The file with the state of a guest of this shape at the end of its boot; made when it is absent. */
  stateOf(spec: GuestSpec): Promise<string> {
    const shape = { root: PROJECT_ROOT, spec, image: this.#image, accelerator: this.accelerator, qemu: QEMU };
    return savedState(shape, async (saved) => (await this.#forSaving()).boot(saved));
  }

  /** A lab of its own, where no daemon looks. */
  async #forSaving(): Promise<Lab> {
    const folder = labFolder("saving");
    mkdirSync(folder, { recursive: true });
    await reapOrphans(folder);
    const { accelerator } = this;
    return new Lab({ folder, image: this.#image, accelerator, keep: false, restore: false });
  }

  async #start(spec: GuestSpec, paths: GuestPaths, how: readonly string[]): Promise<Guest> {
    if (spec.agent === "vbal" && !this.#image.hasVbalAgent) {
      throw new Error(`Guest ${spec.name}: the vbal agent has not been built: run node scripts/setup.mjs`);
    }
    const args = qemuArguments({ spec, paths, image: this.#image, accelerator: this.accelerator }).concat(
      how,
    );
    if (!fitsSocketPath(paths.labQmp)) {
      throw new Error(
        `Socket path ${paths.labQmp} is over ${SOCKET_PATH_BYTES_MAX} bytes: choose a shorter folder for the lab`,
      );
    }
    if (readRecords(this.folder).some((record) => record.spec.name === spec.name)) {
      throw new Error(
        `The lab in ${this.folder} has a guest ${spec.name} already: end it or choose another name`,
      );
    }
    const errors = openSync(paths.errors, "w");
    const place = spec.pcpus === undefined ? [] : ["taskset", "-c", spec.pcpus.join(",")];
    const bond = this.#keep ? [] : ["setpriv", "--pdeathsig", "KILL"];
    const [command, ...rest] = [...bond, ...place, QEMU, ...args];
    const child = spawn(command!, rest, { stdio: ["ignore", "ignore", errors], detached: true });
    closeSync(errors);
    const pid = await new Promise<number>((started, failed) => {
      child.once("spawn", () => started(child.pid!));
      child.once("error", (fault) => failed(new Error(`${command} could not be started: ${fault.message}`)));
    });
    child.unref();
    const qemu = identify(pid);
    if (qemu === null) throw new Error(`Guest ${spec.name}: QEMU ended at once, see ${paths.errors}`);
    const record = { spec, qemu, owner: this.#keep ? null : identify(process.pid) };
    writeRecord(this.folder, record);
    const guest = new Guest(this.folder, record);
    this.#guests.set(spec.name, guest);
    return guest;
  }

  /** Ends all guests of this lab and removes their files. */
  async down(): Promise<void> {
    for (const guest of this.#guests.values()) guest.detach();
    await endLab(this.folder);
    this.#guests.clear();
  }
}

/** From src/lab and from dist/lab alike. */
const PROJECT_ROOT = resolve(import.meta.dirname, "../..");

const QEMU = "/usr/bin/qemu-system-x86_64";

function labFolder(dir = "default"): string {
  return resolve(join(PROJECT_ROOT, ".lab", "run"), dir);
}
