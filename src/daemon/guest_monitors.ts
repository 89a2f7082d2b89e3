/**
 * How the load monitors in the guests are to work: the config file for all domains and for one, and over it what was
 * set by hand (P-57..P-61). Each guest is told when it comes and when that changes, and every change is accounted for.
 */
import type { DomainId } from "../core/units.ts";
import type { Hypervisor, MonitorSettings } from "../hypervisor/port.ts";
import type { MonitorConfig } from "../protocol/config.ts";
import { type MonitorFields, type MonitorRules, withMonitorFields } from "../protocol/monitor_fields.ts";

export interface MonitorLayers {
  readonly config: MonitorConfig;
  /** What was set by hand, per domain. */
  readonly overrides: ReadonlyMap<DomainId, MonitorFields>;
}

export class GuestMonitors {
  readonly #hypervisor: Pick<Hypervisor, "setMonitor">;
  readonly #told = new Map<DomainId, string>();

  constructor(hypervisor: Pick<Hypervisor, "setMonitor">) {
    this.#hypervisor = hypervisor;
  }

  /** `domains`: all that are there. Tells those that came since; `layers` is asked for only then. */
  welcome(domains: readonly DomainId[], layers: () => MonitorLayers): void {
    const isAsBefore = domains.length === this.#told.size && domains.every((id) => this.#told.has(id));
    if (!isAsBefore) this.tell(domains, layers());
  }

  /** `domains`: all that are there. Who was told the same is not told again. */
  tell(domains: readonly DomainId[], layers: MonitorLayers): void {
    const present = new Set(domains);
    for (const id of this.#told.keys()) if (!present.has(id)) this.#told.delete(id);
    for (const id of domains) {
      const settings = settingsOf(monitorRulesOf(layers, id));
      const text = JSON.stringify(settings);
      if (this.#told.get(id) === text) continue;
      this.#told.set(id, text);
      this.#hypervisor.setMonitor(id, settings);
    }
  }
}

/** What holds for one domain. */
export function monitorRulesOf({ config, overrides }: MonitorLayers, domain: DomainId): MonitorRules {
  // hasOwn: a domain may be called "constructor".
  const own = Object.hasOwn(config.domains, domain) ? config.domains[domain]! : {};
  return withMonitorFields(withMonitorFields(config.all, own), overrides.get(domain) ?? {});
}

function settingsOf({ on, measuresEvery, thresholds }: MonitorRules): MonitorSettings {
  return {
    on,
    measuresEveryMs: measuresEvery ?? 0,
    thresholds: Object.entries(thresholds)
      .map(([measure, value]) => ({ measure, value }))
      .sort((a, b) => (a.measure < b.measure ? -1 : 1)),
  };
}

export interface MonitorChange {
  /** `null`: all domains, those that have one of their own excepted. */
  readonly domain: DomainId | null;
  /** "threshold vm.composite", "load monitor". */
  readonly what: string;
  readonly from: string;
  readonly to: string;
}

/** Every difference, ordered by domain (all first), then by what changed. */
export function monitorChanges(before: MonitorLayers, after: MonitorLayers): readonly MonitorChange[] {
  const named = [before, after].flatMap(({ config, overrides }) => [
    ...Object.keys(config.domains),
    ...overrides.keys(),
  ]);
  const all = changesOf(null, before.config.all, after.config.all);
  const ofDomains = [...new Set(named)].sort().flatMap((domain) =>
    changesOf(domain, monitorRulesOf(before, domain), monitorRulesOf(after, domain)).filter(
      // What changed for all is said once.
      ({ what, to }) => !all.some((general) => general.what === what && general.to === to),
    ),
  );
  return [...all, ...ofDomains];
}

function changesOf(domain: DomainId | null, before: MonitorRules, after: MonitorRules): MonitorChange[] {
  const [from, to] = [wordsOf(before), wordsOf(after)];
  return [...new Set([...from.keys(), ...to.keys()])].sort().flatMap((what) => {
    const change = { domain, what, from: from.get(what) ?? AS_IN_GUEST, to: to.get(what) ?? AS_IN_GUEST };
    return change.from === change.to ? [] : [change];
  });
}

const AS_IN_GUEST = "as the guest has it";

function wordsOf({ on, measuresEvery, thresholds }: MonitorRules): Map<string, string> {
  return new Map([
    ["load monitor", on ? "on" : "off"],
    ["measures", measuresEvery === null ? "never sent" : `sent every ${measuresEvery} ms`],
    ...Object.entries(thresholds).map(
      ([id, value]) => [`threshold ${id}`, value === null ? "not watched" : String(value)] as const,
    ),
  ]);
}

/** For the journal, the log and the notes. */
export function describeMonitorChange({ domain, what, from, to }: MonitorChange, by: string): string {
  return `${domain ?? "All domains"}: ${what} was ${from}, is ${to} now; changed by ${by}`;
}
