/** Which vCPUs the guest has and uses now, read afresh each time: the kernel is the only state. */

import { isolatedVcpus } from "./isolation.ts";
import type { Platform } from "./platform.ts";
import { parseVcpuList, without } from "./vcpu_list.ts";

export function look(platform: Platform): GuestView {
  const online = parseVcpuList(platform.readFile(`${VCPU_DIRECTORY}/online`));
  const isolated = isolatedVcpus(platform);
  return {
    present: parseVcpuList(platform.readFile(`${VCPU_DIRECTORY}/present`)),
    online,
    isolated,
    inUse: without(online, isolated),
  };
}

export const VCPU_DIRECTORY = "/sys/devices/system/cpu";

/** Each list ascending. */
export interface GuestView {
  readonly present: readonly number[];
  readonly online: readonly number[];
  /** Online but emptied by this agent. */
  readonly isolated: readonly number[];
  /** Online and not isolated. */
  readonly inUse: readonly number[];
}
