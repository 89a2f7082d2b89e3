/**
 * The monitor commands that vbal uses, typed. What comes back is checked here, at the rim; field names and meanings
 * are those of QEMU's QAPI schema.
 */
import { z } from "zod";
import type { Milliseconds } from "../../core/units.ts";
import { CommandError } from "../port.ts";
import type { QmpConnection } from "./qmp_connection.ts";

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

const placeShape = z.object({
  "socket-id": z.number().int().optional(),
  "die-id": z.number().int().optional(),
  "core-id": z.number().int().optional(),
  "thread-id": z.number().int().optional(),
  "node-id": z.number().int().optional(),
});

export type CpuInfo = z.infer<typeof cpuShape>;
const cpuShape = z.object({
  "cpu-index": z.number().int().min(0),
  "thread-id": z.number().int().positive(),
  props: placeShape.default({}),
});
const cpusShape = z.array(cpuShape);

/** Every slot for a vCPU; one with a `qom-path` is filled. */
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

async function ask<Shape extends z.ZodType>(
  qmp: QmpConnection,
  command: string,
  shape: Shape,
  deadline: Milliseconds,
): Promise<z.infer<Shape>> {
  const parsed = shape.safeParse(await qmp.execute(command, {}, deadline));
  if (parsed.success) return parsed.data;
  throw new CommandError(
    "not-applied",
    `${command} returned something unexpected: ${z.prettifyError(parsed.error)}`,
  );
}
