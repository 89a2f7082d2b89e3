/** Renders a note as one sentence for a person. */
import { explainReason } from "./explain.ts";
import type { Note } from "./note.ts";
import { formatRanges } from "./ranges.ts";
import { unreachable } from "./unreachable.ts";

export function explainNote(note: Note): string {
  switch (note.code) {
    case "domain-arrived":
      return `${note.domain} arrived with ${count(note.vcpus, "vCPU")}`;
    case "domain-departed":
      return `${note.domain} departed`;
    case "domain-restarted":
      return `${note.domain} was started anew; what was known of its earlier life is forgotten`;
    case "guest-heard":
      return `${note.domain}: the guest answers, vCPUs ${formatRanges(note.online)} online`;
    case "guest-silent":
      return `${note.domain}: the guest fell silent; it stays on its pCPUs and is asked nothing`;
    case "target-changed": {
      const change = note.from === null ? `target ${note.to}` : `target ${note.from} -> ${note.to}`;
      return `${note.domain}: ${change}. ${note.reasons.map(explainReason).join(" ")}`;
    }
    case "vcpu-moved": {
      const { domain, vcpu, from, to, why } = note.move;
      const origin = from === null ? "unknown" : formatRanges(from);
      return `${domain}: vCPU ${vcpu} goes from pCPU ${origin} to ${formatRanges(to)}. ${explainReason(why)}`;
    }
    case "target-reached":
      return `${note.domain}: the guest follows, vCPUs ${formatRanges(note.online)} online`;
    case "guest-changed-by-itself":
      return [
        `${note.domain}: vCPUs ${formatRanges(note.online)} are online though ${formatRanges(note.wanted)}`,
        "were asked for; someone in the guest changed them, it is asked again",
      ].join(" ");
    case "standing-changed":
      return `${note.domain}: the guest was ${note.from} and is now ${note.to}`;
    case "growth-given-up":
      return [
        `${note.domain}: the guest does not bring more than ${count(note.vcpus, "vCPU")} online;`,
        "the rest of its share goes to the others for a while",
      ].join(" ");
    case "command-failed":
      return `Failed: ${note.command}: ${note.why} (${note.failure}); it is tried again later`;
    case "circle-broken":
      return [
        `${note.domain}: vCPU ${note.vcpu} goes to pCPU ${formatRanges(note.pcpus)} before it is free,`,
        "since the domains wait for each other in a circle",
      ].join(" ");
    case "released":
      return `${note.domain}: put back as it was found`;
    case "host":
      return `Host: ${explainReason(note.reason)}`;
    default:
      return unreachable(note);
  }
}

function count(n: number, thing: string): string {
  return `${n} ${thing}${n === 1 ? "" : "s"}`;
}
