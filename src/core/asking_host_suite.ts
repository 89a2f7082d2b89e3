/** A host whose guests ask for vCPUs, for the tests of admission: they follow at once unless told otherwise. */

import { type AdmitOptions, type Answered, admit, allotments } from "./admission.ts";
import { type AdmissionRules, DEFAULT_ADMISSION_RULES } from "./admission_rules.ts";
import { type Asker, askersOf } from "./asker.ts";
import { type DemandState, NO_DEMAND, planDemandOf, reviewDemand, withAllotted } from "./demand.ts";
import { makePlan } from "./make_plan.ts";
import type { DomainSnapshot, Snapshot } from "./model.ts";
import type { Plan } from "./plan.ts";
import type { Policy } from "./policy.ts";
import type { VcpuRequest } from "./request.ts";
import { carriedOut, flatHost, policyWith } from "./sample_host.ts";
import { strictDues } from "./strict_dues.ts";
import type { DomainId, MilliPcpu, Milliseconds, VcpuIndex } from "./units.ts";

/** A request with what matters to the test; the rest is a monitor's that exceeds its threshold. */
type Asking = Partial<VcpuRequest> & { readonly domain: DomainId };

export class AskingHost {
  now: Milliseconds = 0;
  demand: DemandState = NO_DEMAND;
  snapshot: Snapshot;
  policy: Policy;
  rules: AdmissionRules = DEFAULT_ADMISSION_RULES;
  /** What each domain uses; a domain that is not here was not measured. */
  readonly usage = new Map<DomainId, MilliPcpu>();
  /** Domains whose guests do not do what they are told. */
  readonly lazy = new Set<DomainId>();
  changes = 0;
  #serial = 0;
  #lastShown = "";

  constructor(pcpus: number, domains: readonly DomainSnapshot[], policy: Policy = policyWith({})) {
    this.policy = policy;
    this.snapshot = { pcpus: flatHost(pcpus), domains: domains.map(asking) };
    this.look();
  }

  /** A second passes, and the host looks. Returns who gave a vCPU back. */
  look(): readonly DomainId[] {
    this.now += 1000;
    const options = this.options();
    const { demand, gaveBack } = reviewDemand(this.demand, options.askers, {
      now: this.now,
      hasLooked: true,
    });
    this.demand = demand;
    this.#follow(options);
    return gaveBack;
  }

  looks(seconds: number): this {
    for (let second = 0; second < seconds; second++) this.look();
    return this;
  }

  ask(...requests: readonly Asking[]): readonly Answered[] {
    const full = requests.map(
      (request): VcpuRequest => ({
        id: `r${this.#serial++}`,
        origin: "monitor",
        exceeded: { measure: "vm.composite", level: "vm", value: 1.2, threshold: 1 },
        target: null,
        ...request,
      }),
    );
    const options = this.options();
    const { demand, answers } = admit(this.demand, full, options);
    this.demand = demand;
    this.#follow(options);
    return answers;
  }

  /** "granted 3", "lent 5" or the code of the denial, for each request in the order of the decisions. */
  told(...requests: readonly Asking[]): string[] {
    return this.ask(...requests).map(({ request, answer }) => {
      const what =
        answer === null
          ? "wait"
          : answer.outcome === "denied"
            ? answer.why.code
            : `${answer.loan ? "lent" : "granted"} ${answer.vcpu}`;
      return `${request.domain}: ${what}`;
    });
  }

  /** "a 4, b 2": what everybody may use. */
  shown(): string {
    return this.demand.domains.map(({ id, allotted }) => `${id} ${allotted}`).join(", ");
  }

  /** The vCPUs that the guest uses. */
  onlineOf(id: DomainId): VcpuIndex[] {
    const vcpus = this.snapshot.domains.find((domain) => domain.id === id)!.guest!.vcpus;
    return vcpus.filter(({ online }) => online).map(({ index }) => index);
  }

  allotted(id: DomainId): number {
    return this.demand.domains.find((entry) => entry.id === id)!.allotted;
  }

  askers(): readonly Asker[] {
    return this.options().askers;
  }

  options(): AdmitOptions {
    const { policy, usage, snapshot, rules, now } = this;
    const dues = strictDues(policy, snapshot);
    const askers = askersOf({ policy, domains: snapshot.domains, dues, usage });
    return { askers, capacity: dues.capacity, rules, now };
  }

  plan(): Plan {
    return makePlan(this.policy, this.snapshot, planDemandOf(this.demand, this.askers()));
  }

  #follow(options: AdmitOptions): void {
    const before = this.#lastShown;
    this.demand = withAllotted(this.demand, options.askers, allotments(this.demand, options));
    this.#lastShown = this.shown();
    if (this.#lastShown === before && this.lazy.size === 0) return;
    this.changes += 1;
    const carried = carriedOut(this.snapshot, this.plan());
    const domains = carried.domains.map((domain) =>
      this.lazy.has(domain.id) ? this.snapshot.domains.find(({ id }) => id === domain.id)! : domain,
    );
    this.snapshot = { ...this.snapshot, domains };
  }
}

/** Every guest that speaks has a load monitor at work. */
function asking(domain: DomainSnapshot): DomainSnapshot {
  return domain.guest === null ? domain : { ...domain, guest: { ...domain.guest, asks: true } };
}
