/** What a config says, held against the files and sockets that it names. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import type { Config } from "../../protocol/config.ts";
import { bad, type Check, fine } from "./check.ts";
import { isWritable } from "./host_facts.ts";

export function configChecks(config: Config): readonly Check[] {
  return [journal(config), control(config), ...sockets(config), ...libvirt(config)];
}

function journal({ journal: { path } }: Config): Check {
  return isWritable(path)
    ? fine("journal", `The journal ${path} can be written`)
    : bad(
        "journal",
        `The journal ${path} cannot be written`,
        "Make its folder writable for vbal, or name another file under journal.path",
      );
}

function control({ control: { socket } }: Config): Check {
  return isWritable(socket)
    ? fine("control", `The control socket ${socket} can be made`)
    : bad(
        "control",
        `The control socket ${socket} cannot be made`,
        "Make its folder writable for vbal, or name another under control.socket",
      );
}

function sockets({ hypervisor }: Config): readonly Check[] {
  if (hypervisor.kind !== "qmp") return [];
  const { directory, domains } = hypervisor;
  const listed = domains.map(({ qmp }) => qmpSocket(qmp));
  return directory === null ? listed : [qmpDirectory(directory), ...listed];
}

/** Where the daemons of libvirt for the whole system listen, the one of old and the one for QEMU alone. */
const LIBVIRT_SOCKETS = ["/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock"];

/** Only for this system's own: what another URI names may be on another machine. */
function libvirt({ hypervisor }: Config): readonly Check[] {
  if (hypervisor.kind !== "libvirt" || !hypervisor.uri.startsWith("qemu:///system")) return [];
  const found = LIBVIRT_SOCKETS.find((path) => existsSync(path));
  return [
    found === undefined
      ? bad(
          "libvirt",
          `libvirt does not listen at ${LIBVIRT_SOCKETS.join(" or ")}`,
          "Install and start it: apt-get install libvirt-daemon-system, systemctl start libvirtd",
        )
      : fine("libvirt", `libvirt listens at ${found}`),
  ];
}

function qmpDirectory(directory: string): Check {
  const id = "qmp.directory";
  if (!existsSync(directory)) {
    return bad(
      id,
      `The folder for QMP sockets ${directory} does not exist`,
      `mkdir ${directory}, and start QEMU with -qmp unix:${directory}/NAME.qmp,server=on,wait=off`,
    );
  }
  return isReadable(directory)
    ? fine(id, `QMP sockets are looked for in ${directory}`)
    : bad(id, `The folder for QMP sockets ${directory} cannot be read`, "Let vbal's user read it");
}

function qmpSocket(path: string): Check {
  const id = `qmp.${path}`;
  if (!existsSync(path)) {
    return bad(id, `There is no QMP socket ${path}`, "Start its guest, or take it out of hypervisor.domains");
  }
  if (!statSync(path).isSocket())
    return bad(id, `${path} is no socket`, "Name the socket that stands behind QEMU's -qmp unix:");
  return isReadable(path)
    ? fine(id, `The QMP socket ${path} is there`)
    : bad(id, `The QMP socket ${path} cannot be opened`, "Let vbal's user read and write it");
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
