/** The last requests for a vCPU of each domain with what came of them, for people; the journal has them all. */
import type { Reply } from "../core/action.ts";
import { explainDenial } from "../core/explain_denial.ts";
import type { Snapshot } from "../core/model.ts";
import { onlineOf } from "../core/reconcile.ts";
import type { VcpuRequest } from "../core/request.ts";
import type { DomainId, Milliseconds } from "../core/units.ts";
import type { RequestView } from "../protocol/state_view.ts";
import type { StepTaken } from "./control_loop.ts";

/** Of each domain: a guest that asks as often as it is heard fills its own list, and nobody else's. */
export const REQUESTS_KEPT = 16;

export class RequestLog {
  readonly #views = new Map<DomainId, readonly RequestView[]>();

  take({ event, now, step }: StepTaken): void {
    if (event.kind === "observed") this.#look(event.snapshot, now);
    const { snapshot } = step.state;
    if (event.kind === "requested" && snapshot !== null) {
      const present = new Set(snapshot.domains.map(({ id }) => id));
      for (const request of event.requests) if (present.has(request.domain)) this.#asked(request, now);
    }
    for (const action of step.actions) if (action.kind === "reply") this.#answered(action, now);
  }

  /** Oldest first. */
  of(domain: DomainId): readonly RequestView[] {
    return this.#views.get(domain) ?? [];
  }

  /** Who asks again under the same id asks the same. */
  #asked(request: VcpuRequest, now: Milliseconds): void {
    const before = this.of(request.domain);
    if (before.some(({ id }) => id === request.id)) return;
    const { id, origin, exceeded, target } = request;
    const view: RequestView = {
      id,
      atMs: now,
      origin,
      exceeded,
      node: target === null ? null : target.kind === "node" ? target.node : target.id,
      fate: "waiting",
      vcpu: null,
      why: "A vCPU is being plugged.",
      answeredAtMs: null,
      onlineAtMs: null,
    };
    this.#views.set(request.domain, [...before, view].slice(-REQUESTS_KEPT));
  }

  #answered({ domain, request, answer }: Reply, now: Milliseconds): void {
    this.#change(domain, (view) => {
      if (view.id !== request || view.fate !== "waiting") return view;
      return answer.outcome === "denied"
        ? { ...view, fate: "denied", why: explainDenial(answer.why), answeredAtMs: now }
        : {
            ...view,
            fate: "granted",
            vcpu: answer.vcpu,
            why: answer.loan ? LENT : "Within its entitlement.",
            answeredAtMs: now,
          };
    });
  }

  #look({ domains }: Snapshot, now: Milliseconds): void {
    const present = new Map(domains.map((domain) => [domain.id, domain]));
    for (const id of this.#views.keys()) {
      const domain = present.get(id);
      if (domain === undefined) this.#views.delete(id);
      const online = domain === undefined ? null : onlineOf(domain);
      if (online === null) continue;
      this.#change(id, (view) =>
        view.onlineAtMs === null && view.vcpu !== null && online.includes(view.vcpu)
          ? { ...view, onlineAtMs: now }
          : view,
      );
    }
  }

  #change(domain: DomainId, change: (view: RequestView) => RequestView): void {
    const views = this.#views.get(domain);
    if (views !== undefined) this.#views.set(domain, views.map(change));
  }
}

const LENT =
  "On loan: beyond its entitlement, of what others leave unused; they get it back when they need it.";
