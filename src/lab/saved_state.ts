/**
 * Guests at the end of their boot, kept on disk: a guest that is restored is up in a fraction of a boot's processor time, which under
 * emulation is most of what a short test takes. What is kept is the machine before any agent started, so one serves every guest
 * of its shape.
 */
import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Guest } from "./guest.ts";
import type { GuestImage } from "./image.ts";
import { type Accelerator, type GuestSpec, guestPaths, qemuArguments } from "./qemu_arguments.ts";

export interface SavedShape {
  /** Of the project. */
  readonly root: string;
  readonly spec: GuestSpec;
  readonly image: GuestImage;
  readonly accelerator: Accelerator;
  /** Of QEMU: another version may not read the state. */
  readonly qemu: string;
}

/** As much of a guest as its saving takes. */
export type SavedGuest = Pick<Guest, "name" | "waitReady" | "monitor" | "stop">;

/**
 * The file with the state of a booted guest of this shape. Made when it is absent or not whole: `boot` starts the guest that
 * is saved. Several processes may make it at once.
 */
export function savedState(
  shape: SavedShape,
  boot: (spec: GuestSpec) => Promise<SavedGuest>,
): Promise<string> {
  const spec = shapeOf(shape.spec);
  const path = join(shape.root, ".lab", fileNameOf(shape, spec));
  if (isWhole(path)) return Promise.resolve(path);
  const making = MAKING.get(path) ?? made(path, () => boot(spec));
  MAKING.set(path, making);
  return making.finally(() => {
    MAKING.delete(path);
    forgetOthers(shape);
  });
}

/** In this process. */
const MAKING = new Map<string, Promise<string>>();

async function made(path: string, boot: () => Promise<SavedGuest>): Promise<string> {
  const scratch = `${path}.${randomBytes(4).toString("hex")}.new`;
  const guest = await boot();
  try {
    await guest.waitReady();
    const monitor = await guest.monitor();
    await monitor.execute("migrate-set-parameters", { "max-bandwidth": BANDWIDTH_BYTES_PER_S });
    await monitor.execute("migrate", { uri: `exec:cat > ${quoted(scratch)}` });
    for (let status = "active"; status !== "completed"; await sleep(LOOK_EVERY_MS)) {
      status = MIGRATION.parse(await monitor.execute("query-migrate")).status;
      if (status === "failed" || status === "cancelled") throw new Error(`it could not be saved: ${status}`);
    }
    renameSync(scratch, path);
    return path;
  } catch (fault) {
    const why = fault instanceof Error ? fault.message : String(fault);
    throw new Error(`Guest ${guest.name}: no state to restore others from in ${path}: ${why}`);
  } finally {
    rmSync(scratch, { force: true });
    await guest.stop();
  }
}

/** A machine that went down before the file was on its disk leaves it empty, cut short or full of zeros. */
function isWhole(path: string): boolean {
  if (!existsSync(path)) return false;
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const bytes = (count: number, at: number) => {
      const read = Buffer.alloc(count);
      return read.toString("latin1", 0, readSync(file, read, 0, count, Math.max(0, at)));
    };
    return bytes(STATE_BEGIN.length, 0) === STATE_BEGIN && bytes(1, size - 1) === STATE_END;
  } finally {
    closeSync(file);
  }
}

/** QEMU's arguments for a guest that goes on from there. */
export function restoring(path: string): readonly string[] {
  return ["-incoming", `exec:cat ${quoted(path)}`];
}

/** What a restored guest does first: it learns the time, which stood still, and starts its agent. */
export function awakening(
  spec: Pick<GuestSpec, "agent" | "respawnAgent" | "monitorBudgetPercent">,
): readonly string[] {
  const { agent = "none", respawnAgent = false, monitorBudgetPercent } = spec;
  const time = `@${Math.floor(Date.now() / MS_PER_SECOND)}`;
  // A session of its own, since the runner ends what it started when another host comes.
  const script = 'date -s "$1" && setsid /lab/agent "$2" "$3" "$4"';
  return [
    "sh",
    "-c",
    script,
    "awakening",
    time,
    agent,
    respawnAgent ? "1" : "0",
    `${monitorBudgetPercent ?? ""}`,
  ];
}

/** Of the guests that one state serves. */
function shapeOf({ vcpus, bootVcpus, memoryMiB, numaNodes, firstNode, sockets }: GuestSpec): GuestSpec {
  return {
    name: `saved-${randomBytes(4).toString("hex")}`,
    vcpus,
    ...(bootVcpus === undefined ? {} : { bootVcpus }),
    ...(memoryMiB === undefined ? {} : { memoryMiB }),
    ...(numaNodes === undefined ? {} : { numaNodes }),
    ...(firstNode === undefined ? {} : { firstNode }),
    ...(sockets === undefined ? {} : { sockets }),
    agent: "none",
  };
}

function fileNameOf({ image, accelerator, qemu }: SavedShape, spec: GuestSpec): string {
  const name = "any";
  const args = qemuArguments({ spec: { ...spec, name }, paths: guestPaths("/", name), image, accelerator });
  const { size, mtimeMs } = statSync(qemu);
  const shape = createHash("sha256")
    .update(JSON.stringify([args, size, mtimeMs]))
    .digest("hex");
  return `${prefixOf(image)}${shape.slice(0, 16)}.state`;
}

function prefixOf(image: GuestImage): string {
  return `saved-${basename(image.initrd, ".cpio").replace("image-", "")}-`;
}

/** States of earlier images, whole or not. They are as large as what the guest has touched of its memory. */
function forgetOthers({ root, image }: SavedShape): void {
  const folder = join(root, ".lab");
  const others = readdirSync(folder).filter(
    (name) => /^saved-.*\.(state|new)$/.test(name) && !name.startsWith(prefixOf(image)),
  );
  for (const name of others) rmSync(join(folder, name), { force: true });
}

/** For the shell that QEMU starts. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}

/** QEMU's mark, and the end of the description in JSON that it closes with. */
const STATE_BEGIN = "QEVM";
const STATE_END = "}";
const BANDWIDTH_BYTES_PER_S = 10 * 2 ** 30;
const LOOK_EVERY_MS = 20;
const MS_PER_SECOND = 1_000;
const MIGRATION = z.object({ status: z.string() });
