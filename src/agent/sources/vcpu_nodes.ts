/** Which virtual NUMA node each vCPU is in: read again whenever a vCPU came or went, since it may come back elsewhere. */
import { VCPU_DIRECTORY } from "../guest_view.ts";
import type { Platform } from "../platform.ts";

export class VcpuNodes {
  readonly #platform: Platform;
  #online = "";
  readonly #nodes = new Map<number, number>();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Those that are online now. */
  heed(vcpus: readonly number[]): void {
    const online = vcpus.join();
    if (online === this.#online) return;
    this.#online = online;
    this.#nodes.clear();
  }

  /** -1 where the guest shows none. */
  nodeOf(vcpu: number): number {
    const known = this.#nodes.get(vcpu);
    if (known !== undefined) return known;
    const name = this.#platform
      .listDirectory(`${VCPU_DIRECTORY}/cpu${vcpu}`)
      .find((entry) => /^node\d+$/.test(entry));
    const node = name === undefined ? -1 : Number(name.slice("node".length));
    this.#nodes.set(vcpu, node);
    return node;
  }
}
