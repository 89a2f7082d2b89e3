/**
 * What a change would do: one step of the shipped controller with the changed policy, whose actions nobody carries out.
 * Pure, and made in the API's thread, so that trying things out costs the control loop nothing.
 */
import { step } from "../../core/controller.ts";
import type { ControllerState } from "../../core/controller_state.ts";
import { explainNote } from "../../core/explain_note.ts";
import type { Plan } from "../../core/plan.ts";
import type { Policy } from "../../core/policy.ts";
import type { Milliseconds } from "../../core/units.ts";
import type { Preview, PreviewedDomain, PreviewedThreshold } from "../../protocol/api_preview.ts";
import { type PlanView, planView } from "../../protocol/plan_view.ts";
import type { StateView } from "../../protocol/state_view.ts";

/** What the daemon knows and what it would be told. */
export interface PreviewParts {
  readonly now: Milliseconds;
  readonly state: ControllerState;
  readonly policy: Policy;
  readonly changedPolicy: Policy;
}

export type ChangesByDomain = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

const NOTHING: Plan = { domains: [], moves: [], idlePcpus: [], notes: [] };

export function preview(parts: PreviewParts, view: StateView, changes: ChangesByDomain): Preview {
  const { now, state, policy, changedPolicy } = parts;
  const snapshot = state.snapshot ?? { pcpus: [], domains: [] };
  const next = step(changedPolicy, state, { kind: "policy-changed" }, now);
  const before = planView({ policy, snapshot, plan: state.plan ?? NOTHING });
  const after = planView({ policy: changedPolicy, snapshot, plan: next.state.plan ?? NOTHING });
  return {
    before,
    after,
    domains: changedDomains(before, after),
    thresholds: view.domains.flatMap((domain) => changedThresholds(domain, changes)),
    notes: next.notes.map(explainNote),
  };
}

function changedDomains(before: PlanView, after: PlanView): PreviewedDomain[] {
  const names = [...new Set([...before.domains, ...after.domains].map(({ name }) => name))].sort();
  return names.flatMap((name) => {
    const was = before.domains.find((domain) => domain.name === name);
    const is = after.domains.find((domain) => domain.name === name);
    const vcpus = new Map(was?.vcpus.map((vcpu) => [vcpu.index, vcpu]));
    const moves = (is?.vcpus ?? []).filter(
      ({ index, pcpus }) => vcpus.get(index)?.pcpus.join() !== pcpus.join(),
    ).length;
    const changed = {
      name,
      entitlementMilliPcpu: { from: was?.entitlementMilliPcpu ?? null, to: is?.entitlementMilliPcpu ?? null },
      target: { from: was?.target ?? null, to: is?.target ?? null },
      moves,
    };
    const { entitlementMilliPcpu, target } = changed;
    const isSame =
      entitlementMilliPcpu.from === entitlementMilliPcpu.to && target.from === target.to && moves === 0;
    return isSame ? [] : [changed];
  });
}

function changedThresholds(
  { name, load }: StateView["domains"][number],
  changes: ChangesByDomain,
): PreviewedThreshold[] {
  const monitor = Object.hasOwn(changes, name) ? changes[name]!["monitor"] : undefined;
  const thresholds = (monitor as { thresholds?: Readonly<Record<string, unknown>> } | undefined)?.thresholds;
  if (typeof thresholds !== "object" || thresholds === null) return [];
  return (load?.measures ?? []).flatMap(({ measure, threshold, values }) => {
    if (!Object.hasOwn(thresholds, measure)) return [];
    const written = thresholds[measure];
    const to = typeof written === "number" ? written : null;
    const known = values.filter((value) => value !== null);
    const value = known.length === 0 ? null : Math.max(...known);
    const isOver = (limit: number | null) => value !== null && limit !== null && limit < value;
    return [
      {
        domain: name,
        measure,
        threshold: { from: threshold, to },
        value,
        exceeded: { from: isOver(threshold), to: isOver(to) },
      },
    ];
  });
}
