/** What a report says of each vCPU. */
import type { VcpuReport } from "../protocol/guest_messages.ts";
import { type GuestView, VCPU_DIRECTORY } from "./guest_view.ts";
import type { Platform } from "./platform.ts";

/** Keeps each vCPU's place for as long as it is online, or offline, so that a report reads a handful of files. */
export class VcpuReporter {
  readonly #platform: Platform;
  readonly #places = new Map<number, { readonly online: boolean; readonly place: Place }>();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** One entry for each vCPU that is present, ascending. `stat` is the text of /proc/stat. */
  report(view: GuestView, stat: string): readonly VcpuReport[] {
    const steal = stealNs(stat);
    for (const vcpu of this.#places.keys()) if (!view.present.includes(vcpu)) this.#places.delete(vcpu);
    return view.present.map((vcpu) => {
      const online = view.online.includes(vcpu);
      return {
        vcpu,
        online,
        isolated: view.isolated.includes(vcpu),
        ...this.#place(vcpu, online),
        stealNs: steal.get(vcpu) ?? -1,
      };
    });
  }

  /** The kernel hides an offline vCPU's topology, and it may come back elsewhere. */
  #place(vcpu: number, online: boolean): Place {
    const known = this.#places.get(vcpu);
    if (known?.online === online) return known.place;
    const place = readPlace(this.#platform, vcpu, online);
    this.#places.set(vcpu, { online, place });
    return place;
  }
}

type Place = Pick<VcpuReport, "canOffline" | "socket" | "core" | "node" | "uid">;

function readPlace(platform: Platform, vcpu: number, online: boolean): Place {
  const directory = `${VCPU_DIRECTORY}/cpu${vcpu}`;
  const read = (name: string): number =>
    Number.parseInt(platform.readFile(`${directory}/topology/${name}`) ?? "-1", 10);
  const node = platform.listDirectory(directory).find((name) => /^node\d+$/.test(name));
  const uid = readUid((name) => platform.readFile(`${directory}/firmware_node/${name}`));
  return {
    ...(uid === null ? {} : { uid }),
    canOffline: vcpu !== 0 && platform.readFile(`${directory}/online`) !== null,
    socket: online ? read("physical_package_id") : -1,
    core: online ? read("core_id") : -1,
    node: node === undefined ? -1 : Number(node.slice("node".length)),
  };
}

/** An ACPI processor object of the old kind has no _UID, but QEMU names it after its number: \_SB_.CPUS.C00A is 10. */
function readUid(read: (name: string) => string | null): number | null {
  const named = /\.C([0-9A-F]{3})$/.exec((read("path") ?? "").trim())?.[1];
  const uid = Number.parseInt(
    read("uid") ?? (named === undefined ? "" : String(Number.parseInt(named, 16))),
    10,
  );
  return 0 <= uid && uid <= UID_MAX ? uid : null;
}

/** More is no number that a host would know. */
const UID_MAX = 2_147_483_647;

/** The kernel counts steal time in hundredths of a second (USER_HZ is 100 on every architecture that matters). */
const NS_PER_TICK = 10_000_000;

/** The eighth number of a vCPU's line in /proc/stat; those lines come first. */
function stealNs(stat: string): Map<number, number> {
  const found = new Map<number, number>();
  for (let start = 0, end = 0; stat.startsWith("cpu", start); start = end + 1) {
    end = stat.indexOf("\n", start);
    if (end === -1) break;
    const words = stat.slice(start + "cpu".length, end).split(" ");
    const ns = Number(words[8]) * NS_PER_TICK;
    if (words[0] !== "") found.set(Number(words[0]), Number.isSafeInteger(ns) ? ns : -1);
  }
  return found;
}
