/** The QEMU command line of a guest. */
import { join } from "node:path";
import type { GuestImage } from "./image.ts";

export type Accelerator = "kvm" | "tcg";

export interface GuestSpec {
  /** Lower-case letters, digits and dashes; names its sockets too. */
  readonly name: string;
  /** The most vCPUs it can have. */
  readonly vcpus: number;
  /** How many of them are plugged at boot; the others can be hotplugged. All when absent. */
  readonly bootVcpus?: number;
  readonly memoryMiB?: number;
  readonly agent?: GuestAgent;
  /** Start the agent again in the guest whenever it ends. */
  readonly respawnAgent?: boolean;
  /** What the agent's load monitor may use of a vCPU, in percent; the agent's own default when absent. */
  readonly monitorBudgetPercent?: number;
  /** NUMA nodes of the guest; sockets are dealt to them in order, memory evenly. */
  readonly numaNodes?: number;
  /** The node of vCPU 0; the other sockets follow in a circle. 0 when absent. */
  readonly firstNode?: number;
  /** As many as NUMA nodes when absent. */
  readonly sockets?: number;
  /** Start QEMU on these pCPUs only; its threads inherit that, the vCPUs that are hotplugged later too. */
  readonly pcpus?: readonly number[];
}

/** What runs in the guest: our own agent, the stock qemu-guest-agent, or neither. */
export type GuestAgent = "vbal" | "qga" | "none";

/** Enough for every guest program; ten such guests fit into 4 GiB. */
export const MEMORY_MIB_DEFAULT = 256;

/** The files that a guest has in its lab's folder. A daemon is pointed at `qmp`, `agent` and `qga`. */
export function guestPaths(folder: string, name: string): GuestPaths {
  const path = (suffix: string) => join(folder, `${name}.${suffix}`);
  return {
    qmp: path("qmp"),
    qmpWhileRestored: path("newqmp"),
    agent: path("agent"),
    qga: path("qga"),
    labQmp: path("labqmp"),
    runner: path("runner"),
    console: path("console"),
    errors: path("errors"),
    record: path("record.json"),
  };
}

export interface GuestPaths {
  readonly qmp: string;
  /** Where `qmp` is until a restored guest runs, so that no daemon takes it for one that is being migrated. */
  readonly qmpWhileRestored: string;
  readonly agent: string;
  readonly qga: string;
  readonly labQmp: string;
  readonly runner: string;
  readonly console: string;
  readonly errors: string;
  readonly record: string;
}

/** Throws when the numbers do not fit together. */
export function qemuArguments(options: {
  readonly spec: GuestSpec;
  readonly paths: GuestPaths;
  readonly image: GuestImage;
  readonly accelerator: Accelerator;
}): readonly string[] {
  const { spec, paths, image, accelerator } = options;
  checkSpec(spec);
  const sockets = socketsOf(spec);
  const memory = spec.memoryMiB ?? MEMORY_MIB_DEFAULT;
  const vcpus = [
    `cpus=${spec.bootVcpus ?? spec.vcpus},maxcpus=${spec.vcpus}`,
    `sockets=${sockets},cores=${spec.vcpus / sockets},threads=1`,
  ];
  return [
    ["-name", `vbal-lab-${spec.name},debug-threads=on`],
    ["-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc"],
    accelerator === "kvm" ? ["-accel", "kvm", "-cpu", "host"] : ["-accel", "tcg,thread=multi"],
    ["-smp", vcpus.join(",")],
    ["-m", `${memory}M`],
    numaArguments({ nodes: spec.numaNodes ?? 1, first: spec.firstNode ?? 0, sockets, memory }),
    ["-kernel", image.kernel, "-initrd", image.initrd, "-append", kernelCommandLine(spec)],
    ["-serial", `file:${escaped(paths.console)}`],
    ["-qmp", listening(paths.qmp), "-qmp", listening(paths.labQmp)],
    ["-device", "virtio-serial-pci"],
    port("agent", { path: paths.agent, name: "org.vbal.agent.0" }),
    port("qga", { path: paths.qga, name: "org.qemu.guest_agent.0" }),
    port("runner", { path: paths.runner, name: "org.vbal.lab.0" }),
  ].flat();
}

export function socketsOf(spec: GuestSpec): number {
  return spec.sockets ?? spec.numaNodes ?? 1;
}

function checkSpec(spec: GuestSpec): void {
  const boot = spec.bootVcpus ?? spec.vcpus;
  const refuse = (why: string): never => {
    throw new Error(`Guest ${spec.name}: ${why}`);
  };
  if (!/^[a-z0-9][a-z0-9-]{0,30}$/.test(spec.name)) {
    refuse("a name has 1 to 31 lower-case letters, digits and dashes, so that it can name files and sockets");
  }
  if (!(1 <= boot && boot <= spec.vcpus)) refuse(`it boots with 1 to ${spec.vcpus} vCPUs, not ${boot}`);
  if (spec.vcpus % socketsOf(spec) !== 0)
    refuse(`${spec.vcpus} vCPUs do not fill ${socketsOf(spec)} sockets evenly`);
  if (socketsOf(spec) % (spec.numaNodes ?? 1) !== 0) {
    refuse(`${socketsOf(spec)} sockets do not fill ${spec.numaNodes} NUMA nodes evenly`);
  }
}

function kernelCommandLine(spec: GuestSpec): string {
  return [
    "console=ttyS0 quiet mitigations=off panic=-1",
    // A vCPU that is hotplugged into another socket would calibrate its delay loop for seconds; any likely value does.
    "lpj=4000000",
    `lab.agent=${spec.agent ?? "none"}`,
    `lab.respawn=${spec.respawnAgent === true ? 1 : 0}`,
    ...(spec.monitorBudgetPercent === undefined ? [] : [`lab.budget=${spec.monitorBudgetPercent}`]),
  ].join(" ");
}

function numaArguments(shape: {
  nodes: number;
  first: number;
  sockets: number;
  memory: number;
}): readonly string[] {
  if (shape.nodes === 1) return [];
  const each = Math.floor(shape.memory / shape.nodes);
  const socketsEach = shape.sockets / shape.nodes;
  return Array.from({ length: shape.nodes }, (_, node) => {
    const size = node === 0 ? shape.memory - each * (shape.nodes - 1) : each;
    const turn = (node - shape.first + shape.nodes) % shape.nodes;
    const sockets = Array.from({ length: socketsEach }, (_, at) => turn * socketsEach + at);
    return [
      ["-object", `memory-backend-ram,id=memory${node},size=${size}M`],
      ["-numa", `node,nodeid=${node},memdev=memory${node}`],
      ...sockets.map((socket) => ["-numa", `cpu,node-id=${node},socket-id=${socket}`]),
    ].flat();
  }).flat();
}

function port(
  id: string,
  { path, name }: { readonly path: string; readonly name: string },
): readonly string[] {
  const socket = `socket,id=${id},path=${escaped(path)},server=on,wait=off`;
  return ["-chardev", socket, "-device", `virtserialport,id=${id}-port,chardev=${id},name=${name}`];
}

function listening(path: string): string {
  return `unix:${escaped(path)},server=on,wait=off`;
}

/** QEMU splits its options at commas; a doubled one stands for itself. */
function escaped(path: string): string {
  return path.replaceAll(",", ",,");
}
