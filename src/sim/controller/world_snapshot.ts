/** What an adapter would read of the simulated world, in the words of the core. */
import type { DomainSnapshot, Snapshot } from "../../core/model.ts";
import type { Control } from "../host/control.ts";

/** `asks`: the guests' load monitors are at work. */
export function worldSnapshot(control: Control, asks = false): Snapshot {
  const present = control.domains
    .map((id, d) => ({ id, d }))
    .filter(({ d }) => control.isPresent(d))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  return {
    pcpus: Array.from({ length: control.pcpus }, (_, id) => ({ id, ...control.placeOf(id), online: true })),
    domains: present.map(({ id, d }) => domainSnapshot(control, id, d, asks)),
  };
}

/** The guests run vbal's agent: they say what they use and can do both. There are no emulator threads. */
function domainSnapshot(control: Control, id: string, d: number, asks: boolean): DomainSnapshot {
  const indices = Array.from({ length: control.vcpusOf(d) }, (_, index) => index);
  return {
    id,
    incarnation: "1",
    state: "running",
    vcpus: indices.map((index) => ({
      index,
      pins: control.pinsOf(d, index),
      guestSocket: 0,
      guestCore: index,
      guestThread: 0,
      guestNode: 0,
    })),
    emulatorPins: null,
    guest: {
      agent: "vbal-agent",
      ...(asks ? { asks } : {}),
      mechanisms: ["offline", "isolate"],
      vcpus: indices.map((index) => ({
        index,
        online: control.isOnline(d, index),
        canOffline: index !== 0,
      })),
    },
  };
}
