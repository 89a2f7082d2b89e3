/**
 * The monitor commands that vbal uses, typed. What comes back is checked here, at the rim; field names and meanings
 * are those of QEMU's QAPI schema.
 */
import { z } from "zod";
import type { Milliseconds } from "../../core/units.ts";
import { CommandError } from "../port.ts";
import { type QmpConnection, QmpError } from "./qmp_connection.ts";

/** Whether the vCPUs run, and QEMU's word for the state: "running", "paused", "prelaunch", "inmigrate", ... */
export function queryStatus(qmp: QmpConnection, deadline: Milliseconds): Promise<RunStatus> {
  return ask(qmp, "query-status", statusShape, deadline);
}

export type RunStatus = z.infer<typeof statusShape>;
const statusShape = z.object({ running: z.boolean(), status: z.string() });

/** The name given with -name, or `null`. */
export async function queryName(qmp: QmpConnection, deadline: Milliseconds): Promise<string | null> {
  return (await ask(qmp, "query-name", nameShape, deadline)).name ?? null;
}

const nameShape = z.object({ name: z.string().optional() });

/** Every plugged vCPU, with the host thread that runs it and its place in the guest's topology. */
export function queryCpusFast(qmp: QmpConnection, deadline: Milliseconds): Promise<CpuInfo[]> {
  return ask(qmp, "query-cpus-fast", cpusShape, deadline);
}

/** Whatever else stands in it (`cluster-id`, `module-id`) is kept, because `device_add` wants all of it back. */
const placeShape = z.looseObject({
  "socket-id": z.number().int().optional(),
  "die-id": z.number().int().optional(),
  "core-id": z.number().int().optional(),
  "thread-id": z.number().int().optional(),
  "node-id": z.number().int().optional(),
});

export type CpuInfo = z.infer<typeof cpuShape>;
const cpuShape = z.object({
  /** The place's number on this machine, which the firmware tables name too; not the guest's number. */
  "cpu-index": z.number().int().min(0),
  "thread-id": z.number().int().positive(),
  "qom-path": z.string().optional(),
  props: placeShape.default({}),
});
const cpusShape = z.array(cpuShape);

/** Every slot for a vCPU; one with a `qom-path` is filled. Rejects with a `QmpError` where the machine hotplugs none. */
export function queryHotpluggableCpus(qmp: QmpConnection, deadline: Milliseconds): Promise<CpuSlot[]> {
  return ask(qmp, "query-hotpluggable-cpus", slotsShape, deadline);
}

export type CpuSlot = z.infer<typeof slotShape>;
const slotShape = z.object({
  type: z.string(),
  "vcpus-count": z.number().int(),
  "qom-path": z.string().optional(),
  props: placeShape,
});
const slotsShape = z.array(slotShape);

/** Resolves when QEMU has made the device, whatever the guest does with it. */
export async function deviceAdd(qmp: QmpConnection, device: object, deadline: Milliseconds): Promise<void> {
  await qmp.execute("device_add", device, deadline);
}

/** `device`: its id or its QOM path. Resolves when the guest has been asked; it may take its time, or say no. */
export async function deviceDel(qmp: QmpConnection, device: string, deadline: Milliseconds): Promise<void> {
  await qmp.execute("device_del", { id: device }, deadline);
}

/** Whether a device came after the machine had started. */
export function isHotplugged(qmp: QmpConnection, path: string, deadline: Milliseconds): Promise<boolean> {
  return ask(qmp, "qom-get", z.boolean(), deadline, { path, property: "hotplugged" });
}

/** Whether the vCPUs are emulated (TCG). */
export async function isEmulated(qmp: QmpConnection, deadline: Milliseconds): Promise<boolean> {
  return !(await ask(qmp, "query-kvm", z.object({ enabled: z.boolean() }), deadline)).enabled;
}

/** The ids of the objects that were made with -object or object-add. */
export async function listObjects(qmp: QmpConnection, deadline: Milliseconds): Promise<string[]> {
  const shape = z.array(z.object({ name: z.string() }));
  return (await ask(qmp, "qom-list", shape, deadline, { path: "/objects" })).map(({ name }) => name);
}

/** Makes an object that does nothing: a note that lives as long as this QEMU. */
export async function addNote(qmp: QmpConnection, id: string, deadline: Milliseconds): Promise<void> {
  await qmp.execute("object-add", { "qom-type": "throttle-group", id }, deadline);
}

/** Asks for MIGRATION events. During a migration, and from a QEMU that knows none, there will be none. */
export async function tellOfMigrations(qmp: QmpConnection, deadline: Milliseconds): Promise<void> {
  const capabilities = [{ capability: "events", state: true }];
  await orRefused(qmp.execute("migrate-set-capabilities", { capabilities }, deadline), null);
}

/** QEMU's word for where the last migration stands; "none" where there never was one. */
export async function migrationStatus(qmp: QmpConnection, deadline: Milliseconds): Promise<string> {
  const shape = z.object({ status: z.string().default("none") });
  return (await orRefused(ask(qmp, "query-migrate", shape, deadline), { status: "none" })).status;
}

/** The backends of the guest's memory, with the host nodes that they are bound to. */
export function queryMemdev(qmp: QmpConnection, deadline: Milliseconds): Promise<MemoryBackend[]> {
  return ask(qmp, "query-memdev", memdevShape, deadline);
}

export type MemoryBackend = z.infer<typeof backendShape>;
const backendShape = z.object({
  id: z.string().optional(),
  policy: z.string(),
  "host-nodes": z.array(z.number().int()),
});
const memdevShape = z.array(backendShape);

/** What a command of QEMU's monitor for people prints about one vCPU (its `cpu-index`). No interface fixes that text. */
export function askHumanMonitor(
  qmp: QmpConnection,
  { line, cpu }: { readonly line: string; readonly cpu: number },
  deadline: Milliseconds,
): Promise<string> {
  const args = { "command-line": line, "cpu-index": cpu };
  return ask(qmp, "human-monitor-command", z.string(), deadline, args);
}

/** QEMU does not know the command, refuses it, or the thing is gone meanwhile. */
export async function orRefused<T, U>(answer: Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof QmpError) return otherwise;
    throw error;
  }
}

async function ask<Shape extends z.ZodType>(
  qmp: QmpConnection,
  command: string,
  shape: Shape,
  deadline: Milliseconds,
  args: object = {},
): Promise<z.infer<Shape>> {
  const parsed = shape.safeParse(await qmp.execute(command, args, deadline));
  if (parsed.success) return parsed.data;
  throw new CommandError(
    "not-applied",
    `${command} returned something unexpected: ${z.prettifyError(parsed.error)}`,
  );
}
