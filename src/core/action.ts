/** What the controller asks of the shell. A command gets an answer (`command-ended`) within its deadline. */
import type { BalloonMechanism, VcpuSlot } from "./model.ts";
import type { Answer } from "./request.ts";
import type { DomainId, Milliseconds, PcpuId, VcpuIndex } from "./units.ts";

export type Action = ({ readonly id: number } & Command) | Reply | Wait;

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
    }
  /** Adds a vCPU in a free slot; it arrives offline, with the next observation. */
  | { readonly kind: "plug-vcpu"; readonly domain: DomainId; readonly slot: VcpuSlot }
  /** Takes a vCPU out that the guest no longer uses. */
  | { readonly kind: "unplug-vcpu"; readonly domain: DomainId; readonly vcpu: VcpuIndex };

/** What to tell who asked. Nobody confirms it: who did not hear it asks again under the same id. */
export interface Reply {
  readonly kind: "reply";
  readonly domain: DomainId;
  /** The id of the request. */
  readonly request: string;
  readonly answer: Answer;
}

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
    case "plug-vcpu": {
      const { guestSocket, guestCore, guestThread } = command.slot;
      return `plug-vcpu ${guestSocket}-${guestCore}-${guestThread} ${command.domain}`;
    }
    case "unplug-vcpu":
      return `unplug-vcpu ${command.vcpu} ${command.domain}`;
  }
}
