/** What one plan changes against another, in sentences for a person who is about to apply it. */
import type { PlanDomainView, PlanView } from "../protocol/plan_view.ts";
import { pcpus, ranges } from "./format.ts";

/** By domain; then how many vCPUs move, and what is left idle. */
export function differences(before: PlanView, after: PlanView): readonly string[] {
  const earlier = new Map(before.domains.map((domain) => [domain.name, domain]));
  const lines = after.domains.flatMap((domain) => {
    const was = earlier.get(domain.name);
    earlier.delete(domain.name);
    return was === undefined
      ? [`${domain.name} is managed again: ${domain.target} vCPUs`]
      : changesOf(was, domain);
  });
  for (const name of earlier.keys()) lines.push(`${name} is left alone and put back as it was found`);
  const idle = after.idlePcpus.filter((id) => !before.idlePcpus.includes(id));
  if (0 < idle.length) lines.push(`pCPU ${ranges(idle)} becomes idle`);
  return lines;
}

function changesOf(was: PlanDomainView, is: PlanDomainView): readonly string[] {
  const lines: string[] = [];
  if (was.target !== is.target) {
    lines.push(`${is.name}: ${was.target} → ${is.target} vCPUs in use`);
  } else if (was.entitlementMilliPcpu !== is.entitlementMilliPcpu) {
    lines.push(
      `${is.name}: entitled to ${pcpus(was.entitlementMilliPcpu)} → ${pcpus(is.entitlementMilliPcpu)} pCPUs`,
    );
  }
  const moved = is.vcpus.filter(({ index, online, pcpus: to }) => {
    const from = was.vcpus.find((vcpu) => vcpu.index === index);
    return online && from?.online === true && ranges(from.pcpus) !== ranges(to);
  });
  if (0 < moved.length) {
    const where = moved.map(({ index, pcpus: to }) => `${index} to pCPU ${ranges(to)}`).join(", ");
    lines.push(`${is.name}: vCPU ${where} ${moved.length === 1 ? "moves" : "move"}`);
  }
  return lines;
}
