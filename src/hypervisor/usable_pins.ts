/** The pCPUs that somebody is to be pinned to, as every adapter to a real host takes them. */
import type { Pcpu } from "../core/model.ts";
import type { PcpuId } from "../core/units.ts";
import { CommandError } from "./port.ts";

/** Ascending, each once. Throws where one is not online now, or there is none. */
export function usablePins(pcpus: readonly PcpuId[], ofHost: readonly Pcpu[]): readonly PcpuId[] {
  const online = ofHost.filter((pcpu) => pcpu.online).map((pcpu) => pcpu.id);
  const missing = pcpus.filter((pcpu) => !online.includes(pcpu));
  if (pcpus.length === 0 || missing.length > 0) {
    throw new CommandError(
      "no-such-pcpu",
      `Pins must name pCPUs that are online (${online.join(",")}), not ${missing.join(",") || "none at all"}`,
    );
  }
  return [...new Set(pcpus)].sort((a, b) => a - b);
}
