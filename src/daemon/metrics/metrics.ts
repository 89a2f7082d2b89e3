/**
 * What GET /metrics shows, for Prometheus: what happened is counted as it comes, what is is taken from the state when it is
 * asked for. Names carry units. The number of series is bounded: labels are names of domains and words from closed lists.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { MILLI_PER_PCPU } from "../../core/units.ts";
import { unreachable } from "../../core/unreachable.ts";
import type { StateView } from "../../protocol/state_view.ts";
import type { Meters } from "./meters.ts";
import type { MetricFact } from "./metric_fact.ts";

/** A host has no more vCPUs that are worth a series each; those of domains beyond are left out, and counted. */
const VCPU_SERIES_MAX = 2_048;
const DOMAIN_SERIES_MAX = 512;
const NS_PER_SECOND = 1e9;

/** A step of a large host takes some milliseconds, a plan of a small one a tenth of one. */
const LOOP_BUCKETS = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];
/** From a system call to a guest that needs its whole patience. */
const LATENCY_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60];

export class Metrics {
  readonly #registry = new Registry();
  readonly #counted = counted(this.#registry);
  readonly #shown = shown(this.#registry);

  constructor(version: string) {
    const info = new Gauge({
      name: "vbal_build_info",
      help: "Always 1; the version is its label",
      labelNames: ["version"],
      registers: [this.#registry],
    });
    info.set({ version }, 1);
  }

  /** The names of all that there is to ask for, without the suffixes of a histogram's parts. */
  get names(): readonly string[] {
    return this.#registry.getMetricsAsArray().map(({ name }) => name);
  }

  take(fact: MetricFact): void {
    const counted = this.#counted;
    switch (fact.kind) {
      case "step":
        counted.step.observe(fact.seconds);
        break;
      case "observation":
        counted.observation.observe(fact.seconds);
        break;
      case "command":
        counted.commands.inc({ command: fact.command, outcome: fact.outcome });
        counted.commandSeconds.observe({ command: fact.command }, fact.seconds);
        break;
      case "answer":
        counted.requests.inc({ outcome: fact.reason === "" ? "granted" : "denied", reason: fact.reason });
        counted.answer.observe(fact.seconds);
        break;
      case "granted-online":
        counted.grantedOnline.observe(fact.seconds);
        break;
      case "target-confirmed":
        counted.targetConfirmed.observe(fact.seconds);
        break;
      case "arrival-pinned":
        counted.arrivalPinned.observe(fact.seconds);
        break;
      case "change":
        counted.changes.inc();
        break;
      default:
        unreachable(fact);
    }
  }

  /** An answer of the API, under its route as it is documented. */
  answered({ route, status, seconds }: Answered): void {
    this.#counted.apiRequests.inc({ route, status: `${Math.floor(status / 100)}xx` });
    this.#counted.apiSeconds.observe(seconds);
  }

  async render(view: StateView, meters: Meters, streams: number): Promise<string> {
    const { gauges, totals } = this.#shown;
    for (const metric of [...Object.values(gauges), ...Object.values(totals)]) metric.reset();
    showHost(gauges, view, meters);
    gauges.apiStreams.set(streams);
    showDomains(gauges, view);
    showVcpus(totals, gauges, meters);
    return await this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}

export interface Answered {
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
}

function counted(registry: Registry) {
  const registers = [registry];
  const seconds = (name: string, help: string, buckets: number[], labelNames: string[] = []) =>
    new Histogram({ name, help, buckets, labelNames, registers });
  const count = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name, help, labelNames, registers });
  return {
    step: seconds(
      "vbal_loop_step_seconds",
      "Time that one step of the controller took, its journal record included",
      LOOP_BUCKETS,
    ),
    observation: seconds(
      "vbal_loop_observation_seconds",
      "Time that one look at the host and its guests took",
      LOOP_BUCKETS,
    ),
    answer: seconds(
      "vbal_request_answer_seconds",
      "From the step that took a request for a vCPU to its answer",
      LATENCY_BUCKETS,
    ),
    grantedOnline: seconds(
      "vbal_request_online_seconds",
      "From a request for a vCPU until the guest was seen to use what was granted",
      LATENCY_BUCKETS,
    ),
    targetConfirmed: seconds(
      "vbal_target_confirmed_seconds",
      "From a new target until the guest reported that it uses exactly that",
      LATENCY_BUCKETS,
    ),
    arrivalPinned: seconds(
      "vbal_arrival_pinned_seconds",
      "From a domain's arrival until every vCPU of it was seen where it was planned",
      LATENCY_BUCKETS,
    ),
    commandSeconds: seconds("vbal_command_seconds", "From a command to its confirmed end", LATENCY_BUCKETS, [
      "command",
    ]),
    commands: count("vbal_commands_total", "Commands that ended, by kind and outcome", [
      "command",
      "outcome",
    ]),
    requests: count(
      "vbal_requests_total",
      "Requests for a vCPU that were answered; reason is why one was denied",
      ["outcome", "reason"],
    ),
    changes: count("vbal_changes_total", "Changes of a domain's target or pins"),
    apiRequests: count("vbal_api_requests_total", "Requests to the API that were answered", [
      "route",
      "status",
    ]),
    apiSeconds: seconds(
      "vbal_api_request_seconds",
      "Time until a request to the API was answered",
      LATENCY_BUCKETS,
    ),
  };
}

type Gauges = ReturnType<typeof shown>["gauges"];
type Totals = ReturnType<typeof shown>["totals"];

function shown(registry: Registry) {
  const registers = [registry];
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name, help, labelNames, registers });
  const total = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name, help, labelNames, registers });
  const ofDomain = ["domain"];
  return {
    gauges: {
      uptime: gauge("vbal_daemon_uptime_seconds", "Time since the daemon started"),
      configRefused: gauge("vbal_config_refused", "1 while the last edit of the config file is not in force"),
      problems: gauge("vbal_problems", "What is not as it should be now; GET /v1/state says what"),
      pcpusOnline: gauge("vbal_host_pcpus_online", "pCPUs of the host that are online"),
      pcpusPool: gauge("vbal_host_pcpus_pool", "pCPUs that vbal divides"),
      domains: gauge("vbal_domains", "Domains on the host"),
      omitted: gauge(
        "vbal_series_omitted",
        "Domains and vCPUs that have no series of their own, because there are too many",
      ),
      weight: gauge("vbal_domain_weight", "The domain's weight", ofDomain),
      managed: gauge("vbal_domain_managed", "1 where vbal manages the domain", ofDomain),
      entitlement: gauge("vbal_domain_entitlement_pcpus", "pCPU time that the domain is due", ofDomain),
      target: gauge("vbal_domain_vcpus_target", "vCPUs that the domain should use", ofDomain),
      online: gauge(
        "vbal_domain_vcpus_online",
        "vCPUs that the domain uses; absent while its guest is silent",
        ofDomain,
      ),
      plugged: gauge("vbal_domain_vcpus_plugged", "vCPUs that the domain has", ofDomain),
      loan: gauge(
        "vbal_domain_vcpus_loan",
        "vCPUs beyond what weight alone gives; negative: lent to others",
        ofDomain,
      ),
      cooperation: gauge("vbal_domain_cooperation", "1 for how the guest keeps up with its target", [
        "domain",
        "standing",
      ]),
      journalBytes: gauge("vbal_journal_bytes", "Size of the current journal file"),
      historyBytes: gauge("vbal_history_bytes", "Size of the history in use"),
      historyLag: gauge("vbal_history_lag_seconds", "Samples of a second each that are not on the disk yet"),
      memory: gauge("process_resident_memory_bytes", "Resident memory of the daemon"),
      apiStreams: gauge("vbal_api_streams", "Clients that follow the state"),
    },
    totals: {
      historyLeftOut: total(
        "vbal_history_left_out_total",
        "Samples that are not in the history: the disk was too slow or full",
      ),
      cpu: total("process_cpu_seconds_total", "pCPU time that the daemon used, all its threads together"),
      run: total("vbal_vcpu_run_seconds_total", "Time that the vCPU ran on a pCPU", ["domain", "vcpu"]),
      wait: total(
        "vbal_vcpu_wait_seconds_total",
        "Time that the vCPU was runnable and the host ran something else",
        ["domain", "vcpu"],
      ),
      steal: total("vbal_vcpu_steal_seconds_total", "The same waiting as the guest was told", [
        "domain",
        "vcpu",
      ]),
    },
  };
}

function showHost(gauges: Gauges, { daemon, host, domains, problems }: StateView, meters: Meters): void {
  gauges.uptime.set(daemon.uptimeMs / 1000);
  gauges.configRefused.set(daemon.configProblem === null ? 0 : 1);
  gauges.problems.set(problems.length);
  gauges.pcpusOnline.set(host.pcpus.filter(({ online }) => online).length);
  gauges.pcpusPool.set(host.pcpus.filter(({ inPool }) => inPool).length);
  gauges.domains.set(domains.length);
  gauges.journalBytes.set(meters.journalBytes);
  if (meters.history !== null) {
    gauges.historyLag.set(meters.history.waiting);
    if (meters.history.bytes !== null) gauges.historyBytes.set(meters.history.bytes);
  }
  gauges.memory.set(process.memoryUsage.rss());
}

function showDomains(gauges: Gauges, view: StateView): void {
  for (const domain of view.domains.slice(0, DOMAIN_SERIES_MAX)) {
    const label = { domain: domain.name };
    gauges.weight.set(label, domain.weight);
    gauges.managed.set(label, domain.managed ? 1 : 0);
    gauges.plugged.set(label, domain.vcpus.length);
    gauges.loan.set(label, domain.loan ?? 0);
    gauges.cooperation.set({ ...label, standing: domain.cooperation }, 1);
    // What is not known has no series, rather than a wrong number.
    if (domain.entitlementMilliPcpu !== null)
      gauges.entitlement.set(label, domain.entitlementMilliPcpu / MILLI_PER_PCPU);
    if (domain.target !== null) gauges.target.set(label, domain.target);
    if (domain.online !== null) gauges.online.set(label, domain.online);
  }
  gauges.omitted.set(Math.max(0, view.domains.length - DOMAIN_SERIES_MAX));
}

function showVcpus(totals: Totals, gauges: Gauges, { usage, history }: Meters): void {
  if (history !== null) totals.historyLeftOut.inc(history.leftOut);
  const { user, system } = process.cpuUsage();
  totals.cpu.inc((user + system) / 1e6);
  const vcpus = usage.flatMap(({ domain, vcpus }) => vcpus.map((vcpu) => ({ domain, vcpu })));
  for (const { domain, vcpu } of vcpus.slice(0, VCPU_SERIES_MAX)) {
    const label = { domain, vcpu: `${vcpu.index}` };
    if (vcpu.run !== null) totals.run.inc(label, vcpu.run / NS_PER_SECOND);
    if (vcpu.wait !== null) totals.wait.inc(label, vcpu.wait / NS_PER_SECOND);
    if (vcpu.steal !== null) totals.steal.inc(label, vcpu.steal / NS_PER_SECOND);
  }
  gauges.omitted.inc(Math.max(0, vcpus.length - VCPU_SERIES_MAX));
}
