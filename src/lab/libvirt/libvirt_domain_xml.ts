/** The definition of a lab guest as libvirt wants it: what an administrator would write, with the lab's kernel and ports. */
import type { GuestImage } from "../image.ts";
import { type GuestAgent, guestPaths, MEMORY_MIB_DEFAULT } from "../qemu_arguments.ts";

export interface LibvirtGuestSpec {
  readonly name: string;
  readonly uuid: string;
  /** The most vCPUs it can have. */
  readonly vcpus: number;
  /** How many of them are plugged at boot. All when absent. */
  readonly bootVcpus?: number;
  readonly agent: GuestAgent;
  /** Elements of `<metadata>`, as they are to stand there. */
  readonly metadata?: string;
  /** `<cputune><shares>`. */
  readonly shares?: number;
  readonly ioThreads?: number;
  /** All vCPUs in one, as guests of the lab have them whose saved states there are; one each when absent, as libvirt does it. */
  readonly oneSocket?: boolean;
}

export function libvirtDomainXml(parts: {
  readonly spec: LibvirtGuestSpec;
  readonly folder: string;
  readonly image: GuestImage;
}): string {
  const { spec, folder, image } = parts;
  const paths = guestPaths(folder, spec.name);
  const commandLine = `console=ttyS0 quiet mitigations=off panic=-1 lpj=4000000 lab.agent=${spec.agent} lab.respawn=0`;
  return `<domain type='qemu'>
  <name>${spec.name}</name>
  <uuid>${spec.uuid}</uuid>
  <metadata>${spec.metadata ?? ""}</metadata>
  <memory unit='MiB'>${MEMORY_MIB_DEFAULT}</memory>
  <vcpu current='${spec.bootVcpus ?? spec.vcpus}'>${spec.vcpus}</vcpu>
  <iothreads>${spec.ioThreads ?? 0}</iothreads>
  ${spec.shares === undefined ? "" : `<cputune><shares>${spec.shares}</shares></cputune>`}
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${image.kernel}</kernel>
    <initrd>${image.initrd}</initrd>
    <cmdline>${commandLine}</cmdline>
  </os>
  ${spec.oneSocket === true ? `<cpu><topology sockets='1' cores='${spec.vcpus}' threads='1'/></cpu>` : ""}
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <serial type='file'><source path='${paths.console}'/></serial>
    <channel type='unix'>
      <source mode='bind' path='${paths.agent}'/>
      <target type='virtio' name='org.vbal.agent.0'/>
    </channel>
    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
    <channel type='unix'>
      <source mode='bind' path='${paths.runner}'/>
      <target type='virtio' name='org.vbal.lab.0'/>
    </channel>
    <memballoon model='none'/>
  </devices>
</domain>
`;
}
