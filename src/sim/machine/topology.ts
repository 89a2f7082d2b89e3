/** Where each pCPU sits. `core`, `llc` and `node` are ids unique on the host, as in core/model.ts. */
export interface PcpuPlace {
  readonly core: number;
  readonly llc: number;
  readonly node: number;
}

/** Either a plain number of pCPUs, divided evenly, or a list with one place per pCPU. */
export type TopologyConfig =
  | {
      readonly pcpus: number;
      readonly nodes?: number;
      readonly llcsPerNode?: number;
      readonly threadsPerCore?: number;
    }
  | { readonly places: readonly PcpuPlace[] };

export function placesOf(config: TopologyConfig): readonly PcpuPlace[] {
  if ("places" in config) return config.places;
  const { pcpus, nodes = 1, llcsPerNode = 1, threadsPerCore = 1 } = config;
  const llcs = nodes * llcsPerNode;
  const perLlc = Math.ceil(pcpus / llcs);
  return Array.from({ length: pcpus }, (_, p) => {
    const llc = Math.floor(p / perLlc);
    return { core: Math.floor(p / threadsPerCore), llc, node: Math.floor(llc / llcsPerNode) };
  });
}
