/** Renders a note as one sentence for a person. */
import { explainReason } from "./explain.ts";
import { explainDenial } from "./explain_denial.ts";
import type { Note } from "./note.ts";
import type { Move } from "./plan.ts";
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
    case "vcpus-moved":
      return `${note.domain}: ${describeMoves(note.moves)}`;
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
    case "request-granted":
      return [
        `${note.domain}: asked for a vCPU (request ${note.request}) and was granted vCPU ${note.vcpu}`,
        note.loan ? ", a loan beyond its entitlement" : ", within its entitlement",
      ].join("");
    case "request-denied":
      return `${note.domain}: asked for a vCPU (request ${note.request}) and was denied it. ${explainDenial(note.why)}`;
    case "request-repeated":
      return `${note.domain}: asked again (request ${note.request}) and is told the same; nothing was decided anew`;
    case "gave-back":
      return `${note.domain}: has not needed its last vCPU for a while and keeps ${count(note.vcpus, "vCPU")}`;
    case "lent-on-request":
      return [
        `${note.domain}: leaves a vCPU unused, which is lent to ${note.to}, since it asks and no pCPU is free;`,
        `it keeps ${count(note.left, "vCPU")} and has back what was lent when it asks`,
      ].join(" ");
    case "lending-ended":
      return `${note.domain}: asked and has back the ${count(note.vcpus, "vCPU")} that were lent to others`;
    case "loan-called-back":
      return [
        `${note.domain}: ${count(note.vcpus, "borrowed vCPU")} called back for a domain that is due`,
        `${note.vcpus === 1 ? "it" : "them"} or has borrowed less; it keeps ${note.left}`,
      ].join(" ");
    case "vcpu-plugged":
      return `${note.domain}: vCPU ${note.vcpu} was plugged into virtual NUMA node ${note.node}`;
    case "vcpu-unplugged":
      return [
        `${note.domain}: the vCPU that was plugged into virtual NUMA node ${note.slot.guestNode}`,
        `(socket ${note.slot.guestSocket}, core ${note.slot.guestCore}, thread ${note.slot.guestThread}) was unplugged again`,
      ].join(" ");
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

/** Moves with the same kind of reason: "vCPUs 0-5 go to pCPUs 0-5, one each. <the first one's reason>". */
function describeMoves(moves: readonly Move[]): string {
  const first = moves[0]!;
  const vcpus = `vCPU${moves.length === 1 ? "" : "s"} ${formatRanges(moves.map(({ vcpu }) => vcpu))}`;
  const go = moves.length === 1 ? "goes" : "go";
  const pcpus = [...new Set(moves.flatMap(({ to }) => to))].sort((a, b) => a - b);
  const oneEach =
    moves.every(({ to }) => to.length === 1) && pcpus.length === moves.length && 1 < moves.length;
  const from = moves.length === 1 && first.from !== null ? ` from pCPU ${formatRanges(first.from)}` : "";
  return `${vcpus} ${go}${from} to pCPU ${formatRanges(pcpus)}${oneEach ? ", one each" : ""}. ${explainReason(first.why)}`;
}
