/** Opens the adapter that the config names. */
import { readFileSync } from "node:fs";
import type { DomainSnapshot } from "../core/model.ts";
import type { Policy } from "../core/policy.ts";
import { createLibvirtAdapter } from "../hypervisor/libvirt/libvirt_adapter.ts";
import type { Hypervisor } from "../hypervisor/port.ts";
import { createQmpAdapter } from "../hypervisor/qmp/qmp_adapter.ts";
import { runInRealTime } from "../hypervisor/simulated/run_in_real_time.ts";
import { createSimulatedHost, type SimulatedHost } from "../hypervisor/simulated/simulated_host.ts";
import type { Config } from "../protocol/config.ts";
import { renderFault } from "../protocol/fault.ts";
import { parseHostFile } from "../protocol/host_file.ts";

/** A described host says what its domains are due, too; a real one does not. */
export interface OpenedHypervisor {
  readonly hypervisor: Hypervisor;
  readonly basePolicy?: Policy;
}

/** Throws, with what to do, when the description of a simulated host cannot be used. */
export function openHypervisor({
  hypervisor,
  agent,
}: Pick<Config, "hypervisor" | "agent">): OpenedHypervisor {
  const pace = { reportEveryMs: agent.reportEvery, patienceMs: agent.patience };
  switch (hypervisor.kind) {
    case "qmp":
      return {
        hypervisor: createQmpAdapter({
          agent: pace,
          ...(hypervisor.directory === null ? {} : { directory: hypervisor.directory }),
          ...(hypervisor.spinLooks === null ? {} : { spinLooksMs: hypervisor.spinLooks }),
          domains: hypervisor.domains.map(({ name, qmp, agent, qga }) => ({
            name,
            qmp,
            ...(agent === null ? {} : { agent }),
            ...(qga === null ? {} : { qga }),
          })),
        }),
      };
    case "libvirt":
      return { hypervisor: createLibvirtAdapter({ uri: hypervisor.uri, agent: pace }) };
    case "simulated":
      return simulatedHost(hypervisor.from);
  }
}

function simulatedHost(file: string): OpenedHypervisor {
  const described = parseHostFile({ file, text: readDescription(file) });
  if ("errors" in described) throw new Error(described.errors.map(renderFault).join("\n"));
  const { policy, snapshot } = described;
  const host = createSimulatedHost({ pcpus: snapshot.pcpus });
  for (const domain of snapshot.domains) settle(host, domain);
  const stopTime = runInRealTime(host);
  const door = host.connect();
  const close = async () => {
    stopTime();
    await door.close();
  };
  return { hypervisor: { ...door, close }, basePolicy: policy };
}

function readDescription(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot read the host description ${file}: ${why}; check hypervisor.from`);
  }
}

/** Brings a domain in, as it is described. */
function settle(host: SimulatedHost, { id, vcpus, guest }: DomainSnapshot): void {
  host.arrive({
    id,
    vcpus: vcpus.length,
    guest: guest === null ? "silent" : "obedient",
    ...(guest === null ? {} : { mechanisms: guest.mechanisms }),
  });
  host.guestOfflines(
    id,
    (guest?.vcpus ?? []).filter((vcpu) => !vcpu.online).map((vcpu) => vcpu.index),
  );
  for (const { index, pins } of vcpus) if (pins !== null) host.repinBehindOurBack(id, index, pins);
}
