/** Opens the adapter that the config names. */
import { readFileSync } from "node:fs";
import type { Hypervisor } from "../hypervisor/port.ts";
import { createQmpAdapter } from "../hypervisor/qmp/qmp_adapter.ts";
import { runInRealTime } from "../hypervisor/simulated/run_in_real_time.ts";
import { createSimulatedHost } from "../hypervisor/simulated/simulated_host.ts";
import type { HypervisorConfig } from "../protocol/config.ts";
import { renderFault } from "../protocol/fault.ts";
import { parseHostFile } from "../protocol/host_file.ts";

/** Throws, with what to do, when the description of a simulated host cannot be used. */
export function openHypervisor(config: HypervisorConfig): Hypervisor {
  switch (config.kind) {
    case "qmp":
      return createQmpAdapter({
        ...(config.directory === null ? {} : { directory: config.directory }),
        domains: config.domains.map(({ name, qmp, agent, qga }) => ({
          name,
          qmp,
          ...(agent === null ? {} : { agent }),
          ...(qga === null ? {} : { qga }),
        })),
      });
    case "simulated":
      return simulatedHost(config.from);
  }
}

function simulatedHost(file: string): Hypervisor {
  const described = parseHostFile({ file, text: readFileSync(file, "utf8") });
  if ("errors" in described) throw new Error(described.errors.map(renderFault).join("\n"));
  const { pcpus, domains } = described.snapshot;
  const host = createSimulatedHost({ pcpus });
  for (const { id, vcpus, guest } of domains) {
    host.arrive({ id, vcpus: vcpus.length, guest: guest === null ? "silent" : "obedient" });
  }
  const stopTime = runInRealTime(host);
  const door = host.connect();
  return {
    ...door,
    close: async () => {
      stopTime();
      await door.close();
    },
  };
}
