/**
 * A controller that does at given times what the scenario lists: what an administrator, or an oracle, would do by hand.
 */
import type { Control, Controller, SimulatedMechanism } from "../host/control.ts";

export interface ScriptConfig {
  readonly kind: "script";
  /** In any order; those of one moment are carried out in theirs. */
  readonly changes: readonly ScriptedChange[];
}

export interface ScriptedChange {
  /** Nanoseconds. */
  readonly at: number;
  readonly domain: string;
  /** The first so many vCPUs stay in use. */
  readonly online?: number;
  readonly mechanism?: SimulatedMechanism;
  /** One list of pCPUs for each vCPU. */
  readonly pins?: readonly (readonly number[])[];
}

const SCRIPT_TIMER = 0;

export function script(config: ScriptConfig): Controller {
  const changes = config.changes.toSorted((a, b) => a.at - b.at);
  let done = 0;
  const armNext = (control: Control): void => {
    control.arm(SCRIPT_TIMER, changes[done]?.at ?? Number.POSITIVE_INFINITY);
  };
  return {
    start: armNext,
    onTimer(control) {
      for (; done < changes.length && changes[done]!.at <= control.now(); done++)
        carryOut(control, changes[done]!);
      armNext(control);
    },
  };
}

function carryOut(control: Control, { domain, online, mechanism, pins }: ScriptedChange): void {
  const d = control.domains.indexOf(domain);
  for (const [vcpu, pcpus] of (pins ?? []).entries()) control.setPins(d, vcpu, pcpus);
  if (online === undefined) return;
  for (let vcpu = 1; vcpu < control.vcpusOf(d); vcpu++) {
    const wanted = vcpu < online;
    if (control.isOnline(d, vcpu) !== wanted) control.setOnline(d, vcpu, wanted, mechanism ?? "offline");
  }
}
