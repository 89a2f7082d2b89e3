/** The libvirt adapter on a real libvirt daemon with real guests: the contract of every adapter. */
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe } from "vitest";
import { describeHypervisorContract } from "../hypervisor/contract_suite.ts";
import { createLibvirtAdapter } from "../hypervisor/libvirt/libvirt_adapter.ts";
import { parseCpuList } from "../hypervisor/linux/cpu_list.ts";
import { type PrivateLibvirt, startPrivateLibvirt } from "./libvirt/private_libvirt.ts";
import { signal } from "./processes.ts";
import { PACE } from "./real_host_suite.ts";

const BOOT_MS = 60_000;

describe("on a libvirt of the lab's own", () => {
  let libvirt: PrivateLibvirt;
  beforeAll(async () => {
    libvirt = await startPrivateLibvirt({ dir: "libvirt-contract" });
  }, 2 * BOOT_MS);
  afterAll(() => libvirt.stop());

  describeHypervisorContract(
    "libvirt",
    async () => {
      const connect = () => createLibvirtAdapter({ uri: libvirt.uri, agent: PACE });
      return {
        hypervisor: connect(),
        connectAgain: connect,
        // Who has no agent need not be up, so libvirt starts it from the beginning.
        arrive: (name, { vcpus, guest }) =>
          guest === "obedient"
            ? libvirt.restore({ name, vcpus, agent: "vbal" })
            : libvirt.boot({ name, vcpus, agent: "none" }),
        kill: async (name) => void signal(libvirt.qemu(name), "SIGKILL"),
        reset: async (name) => void (await libvirt.virsh("reset", name)),
        pause: async (name) => void (await libvirt.virsh("suspend", name)),
        resume: async (name) => void (await libvirt.virsh("resume", name)),
        truePins: async (name, vcpu) => pinsByProc(libvirt.qemu(name).pid, vcpu),
        pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
        dispose: () => libvirt.clear(),
      };
    },
    { patienceMs: BOOT_MS, timeoutMs: 2 * BOOT_MS },
  );
});

/** What the kernel says in words: QEMU names its threads "CPU 0/TCG", and /proc lists where they may run. */
function pinsByProc(pid: number, vcpu: number): number[] {
  const tasks = `/proc/${pid}/task`;
  const name = new RegExp(`^CPU ${vcpu}/`);
  const thread = readdirSync(tasks).find((id) => name.test(readFileSync(`${tasks}/${id}/comm`, "utf8")));
  const status = readFileSync(`${tasks}/${thread ?? "none"}/status`, "utf8");
  return parseCpuList(/^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1] ?? "") ?? [];
}
