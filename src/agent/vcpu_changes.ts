/** The difference between what is and what the host wants, as single changes. */
import type { GuestView } from "./guest_view.ts";

/**
 * Changes in the order of vCPU numbers, those that give first: a task that must leave a vCPU then already finds the
 * new ones. A vCPU that is out of use by the other mechanism stays as it is: the host asked for it not to be used.
 */
export function changesFor(view: GuestView, wanted: Wanted): readonly Change[] {
  const give = view.present
    .filter((vcpu) => wanted.online.includes(vcpu) && !view.inUse.includes(vcpu))
    .map((vcpu): Change => ({ vcpu, to: "used" }));
  const take = view.inUse
    .filter((vcpu) => vcpu !== 0 && !wanted.online.includes(vcpu))
    .map((vcpu): Change => ({ vcpu, to: wanted.mechanism === "offline" ? "offline" : "isolated" }));
  return [...give, ...take];
}

export interface Wanted {
  readonly online: readonly number[];
  readonly mechanism: "offline" | "isolate";
}

/** `used`: online and open to every task. */
export interface Change {
  readonly vcpu: number;
  readonly to: "used" | "offline" | "isolated";
}

/** vCPUs that were asked for and that the guest does not have. */
export function missingVcpus(view: GuestView, wanted: Wanted): readonly number[] {
  return wanted.online.filter((vcpu) => !view.present.includes(vcpu));
}
