/** Lays one policy over another, where a host brings weights of its own, as a described one and libvirt do. Pure. */
import { DEFAULT_POLICY, type DomainPolicy, type Policy } from "../core/policy.ts";
import type { DomainId } from "../core/units.ts";
import type { DefinedDomain } from "../hypervisor/port.ts";
import { contradictions, withFields } from "../protocol/domain_fields.ts";

/**
 * The config over what the host's own definitions say: a domain that the config names has nothing from its definition,
 * any other has the config's defaults with the definition's fields over them. `refused`: definitions that contradict the
 * defaults, each a sentence; such a domain has the defaults alone.
 */
export function overDefined(
  config: Policy,
  defined: readonly DefinedDomain[],
): { readonly policy: Policy; readonly refused: readonly string[] } {
  // No prototype: a domain may be named "constructor".
  const domains = Object.create(null) as Record<DomainId, DomainPolicy>;
  const refused: string[] = [];
  for (const { domain, fields } of defined) {
    const policy = withFields(config.defaults, fields);
    const [fault] = contradictions(policy);
    if (fault === undefined) domains[domain] = policy;
    else refused.push(`What the definition of ${domain} says is not in force: ${fault.rule}. ${fault.fix}`);
  }
  return { policy: { ...config, domains: Object.assign(domains, config.domains) }, refused };
}

/** The config's domains come before the host's of the same name; so does each field that the config changed from its default. */
export function overBase(base: Policy | undefined, config: Policy): Policy {
  if (base === undefined) return config;
  // No prototype: a domain may be named "constructor".
  const domains = Object.create(null) as Record<DomainId, DomainPolicy>;
  Object.assign(domains, base.domains, config.domains);
  return {
    pool: config.pool ?? base.pool,
    mode: config.mode,
    rounding: config.rounding === DEFAULT_POLICY.rounding ? base.rounding : config.rounding,
    emulatorPcpus: config.emulatorPcpus ?? base.emulatorPcpus,
    patience: config.patience,
    admission: config.admission,
    defaults: config.defaults,
    domains,
  };
}
