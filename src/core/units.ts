/**
 * Units. A number carries its unit in its type: a plain number may become any unit, but one unit never
 * passes for another. Decisions use integers throughout.
 */
type Flavor<Base, Unit extends string> = Base & { readonly unit?: Unit };

/** A thousandth of one pCPU's time. Always an integer. */
export type MilliPcpu = Flavor<number, "milli-pCPU">;
/** Integer milliseconds, on whatever clock the shell uses. */
export type Milliseconds = Flavor<number, "ms">;
/** Integer nanoseconds. */
export type Nanoseconds = Flavor<number, "ns">;
/** The host's number for one of its hardware threads. */
export type PcpuId = Flavor<number, "pCPU">;
/** The hypervisor's number for a vCPU inside its domain, from 0. */
export type VcpuIndex = Flavor<number, "vCPU">;
/** A NUMA node of the host, or of a guest where the name says so. */
export type NodeId = Flavor<number, "node">;
/** A domain's name, unique on its host. */
export type DomainId = Flavor<string, "domain">;

export const MILLI_PER_PCPU = 1000;
