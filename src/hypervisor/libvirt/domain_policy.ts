/**
 * What a domain's own definition says it is due: an element of ours in its metadata, or else libvirt's CPU shares. The
 * fields of the element are those of the config file, strictly held against the same rules.
 *
 * Example: `<vbal:policy xmlns:vbal="urn:vbal:policy" weight="512" vcpus-min="2"/>`, as `virsh metadata` writes it.
 */
import { DEFAULT_DOMAIN_POLICY, WEIGHT_MAX } from "../../core/policy.ts";
import { checkShape } from "../../protocol/check_shape.ts";
import { parsePolicyAssignments } from "../../protocol/domain_change.ts";
import { DOMAIN_KEYS, type DomainFields, domainFields } from "../../protocol/domain_fields.ts";
import type { LocatedYaml } from "../../protocol/located_yaml.ts";
import type { LiveDefinition } from "./live_definition.ts";
import { namespaceOf, type XmlElement } from "./xml.ts";

export interface DefinedPolicy {
  /** Empty where the definition says nothing. */
  readonly fields: DomainFields;
  readonly problems: readonly string[];
}

/** Names our element; nothing is fetched from there. */
export const POLICY_NAMESPACE = "urn:vbal:policy";

/**
 * Our element comes before the shares, and in place of them. One that breaks a rule counts for nothing.
 * `sharesDefault`: the shares of a domain that names none (default_shares.ts).
 */
export function definedPolicy({ metadata, shares }: LiveDefinition, sharesDefault: number): DefinedPolicy {
  const element = metadata.find((one) => namespaceOf(one) === POLICY_NAMESPACE);
  const read = element === undefined ? null : readElement(element);
  const ofShares = shares === null ? {} : { weight: weightOfShares(shares, sharesDefault) };
  if (read === null) return { fields: ofShares, problems: [] };
  if ("fields" in read) return { fields: { ...ofShares, ...read.fields }, problems: [] };
  return { fields: ofShares, problems: read.problems };
}

/** Shares and weights are both relative: what counts is that equal ones stay equal, twice stays twice, and the default the default. */
export function weightOfShares(shares: number, sharesDefault: number): number {
  const weight = Math.round((shares * DEFAULT_DOMAIN_POLICY.weight) / sharesDefault);
  return Math.min(Math.max(1, weight), WEIGHT_MAX);
}

function readElement(
  element: XmlElement,
): { readonly fields: DomainFields } | { readonly problems: readonly string[] } {
  const where = `The <${element.name}> in its metadata`;
  if (!/^([^:]+:)?policy$/.test(element.name) || element.children.length > 0 || element.text !== "") {
    return {
      problems: [
        `${where} is not in force: it must be an empty element named policy with attributes such as weight="512"; set it by virsh metadata --uri ${POLICY_NAMESPACE}`,
      ],
    };
  }
  const written = Object.entries(element.attributes).filter(([name]) => !/^xmlns(:|$)/.test(name));
  // In XML the bounds of the vCPU count are called vcpus-min and vcpus-max.
  const assigned = parsePolicyAssignments(
    written.map(([name, value]) => `${name.replace(/^vcpus-/, "vcpus.")}=${value}`),
  );
  if ("problem" in assigned) return { problems: [`${where} is not in force: ${assigned.problem}`] };
  const checked = checkShape(located(assigned.value), domainFields, (path) =>
    path.length === 0 ? DOMAIN_KEYS : ["min", "max"],
  );
  if ("value" in checked) return { fields: checked.value };
  return {
    problems: checked.faults.map(({ path, rule, value, fix }) => {
      const is = value === "" ? "" : `, not ${value}`;
      return `${where} is not in force: ${path.replace(/^vcpus\./, "vcpus-")}: ${rule}${is}. ${fix}`;
    }),
  };
}

/** An attribute has no line of its own that a person would look at. */
function located(value: unknown): LocatedYaml {
  const nowhere = { line: 1, column: 1 };
  return { file: "metadata", value, locate: () => nowhere, locateKey: () => nowhere };
}
