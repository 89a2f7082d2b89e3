/** Lays one policy over another, where a host brings weights of its own, as a described one does. Pure. */
import { DEFAULT_POLICY, type DomainPolicy, type Policy } from "../core/policy.ts";
import type { DomainId } from "../core/units.ts";

/** The config's domains come before the host's of the same name; so does each field that the config changed from its default. */
export function overBase(base: Policy | undefined, config: Policy): Policy {
  if (base === undefined) return config;
  // No prototype: a domain may be named "constructor".
  const domains = Object.create(null) as Record<DomainId, DomainPolicy>;
  Object.assign(domains, base.domains, config.domains);
  return {
    pool: config.pool ?? base.pool,
    rounding: config.rounding === DEFAULT_POLICY.rounding ? base.rounding : config.rounding,
    emulatorPcpus: config.emulatorPcpus ?? base.emulatorPcpus,
    patience: config.patience,
    admission: config.admission,
    defaults: config.defaults,
    domains,
  };
}
