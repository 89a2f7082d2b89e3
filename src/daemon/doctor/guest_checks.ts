/** What the daemon's view says of each guest. Pure. */
import type { DomainView, StateView } from "../../protocol/state_view.ts";
import { bad, type Check, fine } from "./check.ts";

export function guestChecks({ domains }: StateView): readonly Check[] {
  return domains.flatMap((domain) =>
    [agent(domain), following(domain), monitor(domain)].filter((check) => check !== null),
  );
}

function agent({ name, managed, guestAgent, cooperation }: DomainView): Check {
  const id = `guest.${name}.agent`;
  if (!managed) return fine(id, `${name} is not managed`);
  if (cooperation === "paused") return fine(id, `${name} is paused; nothing is asked of it`);
  switch (guestAgent) {
    case "vbal-agent":
      return fine(id, `${name} has vbal's agent`);
    case "qemu-guest-agent":
      return fine(
        id,
        `${name} has the stock guest agent`,
        "It takes and gives vCPUs; install vbal's agent in the guest for isolation, load measures and requests",
      );
    case null:
      return bad(
        id,
        `${name} has no agent that answers: its vCPUs cannot be ballooned, only pinned together`,
        "Install vbal's agent in the guest and give it a virtio-serial port org.vbal.agent.0, or start the stock qemu-guest-agent",
      );
  }
}

function following({ name, managed, cooperation, online, target }: DomainView): Check | null {
  if (!managed || (cooperation !== "stuck" && cooperation !== "uncooperative")) return null;
  return bad(
    `guest.${name}.follows`,
    `${name} uses ${online ?? "an unknown number of"} vCPUs and should use ${target ?? "some"}: ${cooperation}`,
    `vbal explain ${name} says what stands in the way; often a task in the guest is bound to the vCPU`,
  );
}

function monitor({ name, guestAgent, load, monitor: told }: DomainView): Check | null {
  if (guestAgent !== "vbal-agent") return null;
  const id = `guest.${name}.monitor`;
  if (load === undefined) {
    const advice =
      told?.on === true
        ? "It is told to have one: its agent has said nothing of its load yet, or is too old for it"
        : "Set monitor: { on: true } to let it ask for vCPUs";
    return fine(id, `${name}: no load monitor at work`, advice);
  }
  if (load.degraded.length === 0) return fine(id, `${name}: the load monitor measures everything`);
  return fine(id, `${name}: the load monitor measures in part`, load.degraded.join(" "));
}
