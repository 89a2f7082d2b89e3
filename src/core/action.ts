/** What the controller asks of the shell. A command gets an answer (`command-ended`) within its deadline. */
import type { BalloonMechanism } from "./model.ts";
import type { DomainId, Milliseconds, PcpuId, VcpuIndex } from "./units.ts";

export type Action = ({ readonly id: number } & Command) | Wait;

/** One change on the host. */
export type Command =
  | {
      readonly kind: "pin-vcpu";
      readonly domain: DomainId;
      readonly vcpu: VcpuIndex;
      readonly pcpus: readonly PcpuId[];
    }
  | { readonly kind: "pin-emulator"; readonly domain: DomainId; readonly pcpus: readonly PcpuId[] }
  | {
      readonly kind: "set-online";
      readonly domain: DomainId;
      /** Exactly these should be in use afterwards; always holds vCPU 0. */
      readonly online: readonly VcpuIndex[];
      readonly mechanism: BalloonMechanism;
    };

/** Nothing to do before then, unless something happens. */
export interface Wait {
  readonly kind: "wait";
  readonly until: Milliseconds;
}

/** Names what a command is about: at most one command of a key is under way at a time. */
export function commandKey(command: Command): string {
  switch (command.kind) {
    case "pin-vcpu":
      return `pin-vcpu ${command.vcpu} ${command.domain}`;
    case "pin-emulator":
      return `pin-emulator ${command.domain}`;
    case "set-online":
      return `set-online ${command.domain}`;
  }
}
