/** What in a config file is right by itself and wrong together. */
import type { DomainPolicy, Policy } from "../core/policy.ts";
import { controlFaults } from "./api_config.ts";
import { faultAt } from "./check_shape.ts";
import type { AgentConfig } from "./config.ts";
import { contradictions, type DomainFields } from "./domain_fields.ts";
import type { Fault, FieldPath } from "./fault.ts";
import { NAME, readName } from "./fields.ts";
import type { LocatedYaml } from "./located_yaml.ts";
import type { WrittenConfig, WrittenHypervisor } from "./written_config.ts";

/** `made`: what the file amounts to. In no particular order. */
export function configFaults(
  located: LocatedYaml,
  written: WrittenConfig,
  made: { readonly policy: Policy; readonly agent: AgentConfig },
): Fault[] {
  return [
    ...policyFaults(located, written, made.policy),
    ...hypervisorFaults(located, written),
    ...agentFaults(located, made.agent),
    ...controlFaults(written.control).map(({ path, rule, fix }) =>
      faultAt(located, path, { rule, fix, value: undefined }),
    ),
  ];
}

/** More often, the reports would cost the guest what ballooning saves; agents refuse it. */
const REPORT_EVERY_MS_MIN = 100;
/** Below a second a busy host looks lost; agents refuse it. */
const PATIENCE_MS_MIN = 1_000;

function policyFaults(located: LocatedYaml, written: WrittenConfig, policy: Policy): Fault[] {
  const faults: Fault[] = [];
  if (policy.pool?.every((pcpu) => policy.emulatorPcpus?.includes(pcpu)) === true) {
    faults.push(
      faultAt(located, ["emulator"], {
        rule: "The pCPUs set apart for emulators leave none of the pool to divide",
        fix: "Name other pCPUs here, or fewer",
        value: undefined,
      }),
    );
  }
  const { stuckAfter, uncooperativeAfter } = policy.patience;
  if (uncooperativeAfter < stuckAfter) {
    const at = written.patience?.uncooperativeAfter === undefined ? "stuckAfter" : "uncooperativeAfter";
    faults.push(
      faultAt(located, ["patience", at], {
        rule: `stuckAfter (${stuckAfter} ms) may not exceed uncooperativeAfter (${uncooperativeAfter} ms)`,
        fix: "Raise uncooperativeAfter or lower stuckAfter",
        value: undefined,
      }),
    );
  }
  if (written.defaults !== undefined)
    faults.push(...domainFaults(located, ["defaults"], written.defaults, policy.defaults));
  for (const [name, fields] of Object.entries(written.domains ?? {})) {
    const at = ["domains", name];
    if (readName(name) === undefined)
      faults.push({ ...faultAt(located, at, { ...NAME, value: name }), ...located.locateKey(at) });
    faults.push(...domainFaults(located, at, fields, policy.domains[name]!));
  }
  return faults;
}

function domainFaults(
  located: LocatedYaml,
  at: FieldPath,
  fields: DomainFields,
  policy: DomainPolicy,
): Fault[] {
  return contradictions(policy).map(({ paths, rule, fix }) => {
    // The rule names both values; the place is the first of the two fields that this entry wrote itself.
    const written = paths.find((inner) => isWritten(fields, inner)) ?? [];
    return faultAt(located, [...at, ...written], { rule, fix, value: undefined });
  });
}

function isWritten(fields: DomainFields, inner: FieldPath): boolean {
  const value = inner.reduce<unknown>(
    (part, step) => (part as Record<string, unknown> | undefined)?.[step],
    fields,
  );
  return value !== undefined;
}

const FIELDS_OF_KIND: Readonly<Record<WrittenHypervisor["kind"], readonly string[]>> = {
  qmp: ["directory", "domains", "spinLooks"],
  libvirt: ["uri"],
  simulated: ["from"],
};

function hypervisorFaults(located: LocatedYaml, written: WrittenConfig): Fault[] {
  const { hypervisor } = written;
  if (hypervisor === undefined) return [];
  const { kind, ...fields } = hypervisor;
  const faults = Object.entries(fields)
    .filter(([key, value]) => value !== undefined && !FIELDS_OF_KIND[kind].includes(key))
    .map(([key]) => key)
    .map((key) => ({
      ...faultAt(located, ["hypervisor", key], {
        rule: `A hypervisor of kind ${hypervisor.kind} has no field ${JSON.stringify(key)}`,
        fix: "Remove it, or change kind",
        value: undefined,
      }),
      ...located.locateKey(["hypervisor", key]),
    }));
  if (hypervisor.kind === "simulated" && hypervisor.from === undefined) {
    faults.push(
      faultAt(located, ["hypervisor"], {
        rule: "A simulated hypervisor needs a host description",
        fix: "Add `from: FILE`, for example examples/paper-12pcpu.yaml",
        value: undefined,
      }),
    );
  }
  const seen = new Set<string>();
  for (const [index, { name }] of (hypervisor.domains ?? []).entries()) {
    if (seen.has(name)) {
      faults.push(
        faultAt(located, ["hypervisor", "domains", index, "name"], {
          rule: `A domain stands only once in this list; ${JSON.stringify(name)} stands twice`,
          fix: "Remove one entry or correct its name",
          value: undefined,
        }),
      );
    }
    seen.add(name);
  }
  return faults;
}

function agentFaults(located: LocatedYaml, { reportEvery, patience }: AgentConfig): Fault[] {
  const faults: Fault[] = [];
  if (reportEvery < REPORT_EVERY_MS_MIN) {
    faults.push(
      faultAt(located, ["agent", "reportEvery"], {
        rule: `An agent reports every ${REPORT_EVERY_MS_MIN} ms or more rarely`,
        fix: "Write a longer time, as in 1s",
        value: `${reportEvery}ms`,
      }),
    );
  }
  if (patience < PATIENCE_MS_MIN) {
    faults.push(
      faultAt(located, ["agent", "patience"], {
        rule: `An agent waits for a lost host for ${PATIENCE_MS_MIN} ms or longer`,
        fix: "Write a longer time, as in 60s",
        value: `${patience}ms`,
      }),
    );
  }
  return faults;
}
