/** What a monitor says of a machine's vCPUs: those that are there, and where more could be plugged. */
import type { Milliseconds } from "../../core/units.ts";
import { type NodeNumbers, numberNodes } from "./node_numbers.ts";
import {
  type CpuInfo,
  isEmulated,
  isHotplugged,
  listObjects,
  orRefused,
  queryCpusFast,
  queryHotpluggableCpus,
} from "./qmp_commands.ts";
import type { QmpConnection } from "./qmp_connection.ts";
import { type FreeSlot, freeSlotsOf, placeOf } from "./vcpu_slots.ts";

export interface VcpuFacts {
  /** In QEMU's order, which is that of their making. */
  readonly cpus: readonly CpuInfo[];
  /** With QEMU's nodes, in the order in which they should be filled; a sentence where this machine plugs none, saying why. */
  readonly freeSlots: readonly FreeSlot[] | string;
  /** QEMU's nodes that have vCPUs or slots for them, with the guest's numbers. */
  readonly nodes: NodeNumbers;
  /** QOM paths of the vCPUs that came after the start. */
  readonly hotplugged: ReadonlySet<string>;
  /** The vCPUs are threads of an emulator (TCG). */
  readonly emulated: boolean;
}

/**
 * A QEMU that emulates (seen with 7.2) dies of a vCPU that is plugged after another one was taken out. So that no
 * daemon forgets it, this object stands in the QEMU itself once vbal has asked for a vCPU back.
 */
export const UNPLUGGED_NOTE = "vbal-unplugged-a-vcpu";

/** `known`: the QOM paths that were found to be hotplugged earlier; a path keeps its answer. */
export async function readVcpuFacts(
  qmp: QmpConnection,
  known: ReadonlySet<string>,
  deadline: Milliseconds,
): Promise<VcpuFacts> {
  const [cpus, slots, emulated, objects] = await Promise.all([
    queryCpusFast(qmp, deadline),
    orRefused(queryHotpluggableCpus(qmp, deadline), null),
    orRefused(isEmulated(qmp, deadline), false),
    orRefused<string[], string[]>(listObjects(qmp, deadline), []),
  ]);
  const paths = cpus.flatMap((cpu) => mayBeHotplugged(cpu));
  const answers = await Promise.all(
    paths.map(async (path) => known.has(path) || orRefused(isHotplugged(qmp, path, deadline), false)),
  );
  const hotplugged = new Set(paths.filter((_, at) => answers[at]));
  const worn = emulated && objects.includes(UNPLUGGED_NOTE);
  const freeSlots =
    slots === null
      ? "its machine type hotplugs no vCPU"
      : worn
        ? "its QEMU emulates and would die of a vCPU plugged after another was taken out; start it anew"
        : freeSlotsOf(slots);
  const nodes = numberNodes((slots ?? cpus).map(({ props }) => placeOf(props)));
  return { cpus, freeSlots, nodes, hotplugged, emulated };
}

/** What the machine made for itself has neither id nor name; what was plugged stands among the peripherals. */
function mayBeHotplugged(cpu: CpuInfo): string[] {
  const path = cpu["qom-path"];
  return path?.startsWith("/machine/peripheral") === true ? [path] : [];
}
