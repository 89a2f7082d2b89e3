/** What a reader must know of the machine to judge a figure that was measured on it. */
import { availableParallelism, cpus, loadavg } from "node:os";

export interface HostFacts {
  readonly pcpus: number;
  readonly model: string;
  readonly node: string;
  /** Of the last minute when the benchmark began: what else ran. */
  readonly loadAtStart: number;
}

export function hostFacts(): HostFacts {
  return {
    pcpus: availableParallelism(),
    model: cpus()[0]?.model ?? "unknown",
    node: process.version,
    loadAtStart: loadavg()[0] ?? Number.NaN,
  };
}
