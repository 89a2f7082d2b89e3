/**
 * Control groups for a libvirt of the lab's own: version 2 where that has the controllers cpuset and cpu, else version 1, as
 * if there were no other. How a machine with version 1 is made to give both to version 2 stands in docs/hacking.md.
 */
import { existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = "/sys/fs/cgroup";
/** Version 2 where it is mounted beside version 1. */
const BESIDE = join(ROOT, "unified");

/**
 * What libvirt uses on a real host, as far as vbal meets it. Two libvirts of the lab share one folder of groups, each named
 * after a machine's number and name: tests that run side by side name their guests differently.
 */
export const CGROUP_CONTROLLERS: readonly string[] = ["cpuset", "cpu", "cpuacct"];

/** Commands for a mount namespace of libvirt's own. */
export function cgroupMounts(): readonly string[] {
  if (rootOfVersion2() !== BESIDE) return [];
  // With both versions there libvirt looks into the one for what is in the other.
  if (!isVersion2()) return [`umount ${BESIDE}`];
  return [`umount -R ${ROOT}`, `mount -t cgroup2 cgroup2 ${ROOT}`];
}

/** A machine's own group in the hierarchy with cpusets, as somebody beside libvirt sees it. */
export interface MachineGroup {
  readonly folder: string;
  narrow(pcpus: string): void;
  widen(pcpus: string): void;
}

export function machineGroup(qemu: number): MachineGroup {
  const lines = readFileSync(`/proc/${qemu}/cgroup`, "utf8");
  const old = /^\d+:cpuset:(.*)\/emulator$/m.exec(lines)?.[1];
  const folder = `${old === undefined ? rootOfVersion2() : join(ROOT, "cpuset")}${old ?? /^0::(.*)\/emulator$/m.exec(lines)?.[1]}`;
  const write = (group: string, pcpus: string) => writeFileSync(join(group, "cpuset.cpus"), pcpus);
  return {
    folder,
    narrow(pcpus) {
      // In version 1 no group may hold less than those below it; in version 2 they follow.
      if (old !== undefined) for (const inner of foldersIn(folder)) write(inner, pcpus);
      write(folder, pcpus);
    },
    widen: (pcpus) => write(folder, pcpus),
  };
}

/** What version 2 lets groups have at its root, to be given to `tidyCgroups` afterwards. */
export function controllersInUse(): readonly string[] {
  return wordsIn(join(rootOfVersion2() ?? ROOT, "cgroup.subtree_control"));
}

/** Removes the folder that libvirt keeps machines in; one that holds any belongs to another libvirt, and all stays as it is. */
export function tidyCgroups(inUseBefore: readonly string[]): void {
  for (const folder of [ROOT, ...readdirSync(ROOT).map((name) => join(ROOT, name))]) {
    const partition = join(folder, "machine");
    if (existsSync(partition)) unlessInUse(() => rmdirSync(partition));
  }
  // As long as groups may have a controller, version 1 cannot have it.
  for (const controller of controllersInUse().filter((name) => !inUseBefore.includes(name)))
    unlessInUse(() => writeFileSync(join(rootOfVersion2()!, "cgroup.subtree_control"), `-${controller}`));
}

/** The `<shares>` that libvirt gives a machine whose definition names none. */
export function defaultShares(): number {
  return isVersion2() ? 100 : 1_024;
}

function unlessInUse(tidy: () => void): void {
  try {
    tidy();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EBUSY" && code !== "ENOTEMPTY") throw error;
  }
}

function isVersion2(): boolean {
  const controllers = wordsIn(join(rootOfVersion2() ?? ROOT, "cgroup.controllers"));
  return ["cpuset", "cpu"].every((name) => controllers.includes(name));
}

function rootOfVersion2(): string | null {
  return [ROOT, BESIDE].find((root) => existsSync(join(root, "cgroup.controllers"))) ?? null;
}

function foldersIn(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(folder, name));
}

function wordsIn(file: string): readonly string[] {
  return existsSync(file)
    ? readFileSync(file, "utf8")
        .split(/\s+/)
        .filter((word) => word !== "")
    : [];
}
