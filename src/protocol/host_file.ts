/**
 * A host in a file, for `vbal plan --from FILE` and for the simulated hypervisor: YAML or JSON, text in, policy and
 * snapshot out. Pure.
 *
 *     host: { pcpus: 12 }                                 # or topology: [{ id, core, llc, node }]
 *     domains:
 *       - { name: vm1, weight: 512, vcpus: 12 }           # asks nothing else: booted with 12 vCPUs
 *       - { name: vm2, weight: 256, vcpus: 12, min: 2, max: 8, reservation: 1.5, cap: 4, node: 0 }
 *
 * Units: `reservation` and `cap` are pCPUs, fractions allowed (1.5, or "1500m"). `vcpus` is what is plugged.
 * The present state: `online` is a count (the first so many) or a list of vCPU indexes, all when left out; `pins` has
 * one list of pCPUs per vCPU, any pCPU when left out. `agent` names who answers inside the guest; `none` is silent.
 */
import { z } from "zod";
import type { DomainSnapshot, GuestReport, Pcpu, Snapshot, Vcpu } from "../core/model.ts";
import {
  DEFAULT_DOMAIN_POLICY,
  DEFAULT_POLICY,
  type DomainPolicy,
  type Policy,
  type Rounding,
} from "../core/policy.ts";
import type { DomainId, PcpuId, VcpuIndex } from "../core/units.ts";
import { checkShape, faultAt, inOrder } from "./check_shape.ts";
import {
  contradictions,
  type DomainFields,
  policyShape,
  VCPU_COUNT,
  vcpuBoundsShape,
  WEIGHT,
  withFields,
} from "./domain_fields.ts";
import type { Fault, FieldPath } from "./fault.ts";
import { field, NAME, orNone, PCPU_ID_MAX, PCPU_LIST, readInteger, word, yesNo } from "./fields.ts";
import { type LocatedYaml, parseLocatedYaml } from "./located_yaml.ts";

export interface HostFile {
  readonly policy: Policy;
  readonly snapshot: Snapshot;
}

export type HostFileResult = HostFile | { readonly errors: readonly Fault[] };

export function parseHostFile(source: { readonly file: string; readonly text: string }): HostFileResult {
  const located = parseLocatedYaml(source);
  if (Array.isArray(located)) return { errors: located };
  const checked = checkShape(located, hostFileSchema, knownKeys);
  if ("faults" in checked) return { errors: checked.faults };
  const written = checked.value;
  const pcpus = pcpusOf(written.host);
  const errors = [...hostFaults(located, written), ...domainFaults(located, written, pcpus)];
  if (errors.length > 0) return { errors: inOrder(errors) };
  return {
    policy: filePolicy(written),
    snapshot: { pcpus, domains: written.domains.map((domain) => snapshotOf(domain, pcpus)).sort(byId) },
  };
}

interface WrittenHostFile {
  readonly host: WrittenHost;
  readonly pool?: readonly PcpuId[] | null | undefined;
  readonly rounding?: Rounding | undefined;
  readonly emulator?: readonly PcpuId[] | null | undefined;
  readonly domains: readonly WrittenDomain[];
}

interface WrittenHost {
  readonly pcpus?: number | undefined;
  readonly topology?: readonly WrittenPcpu[] | undefined;
}

interface WrittenPcpu {
  readonly id: PcpuId;
  readonly core: number;
  readonly llc?: number | undefined;
  readonly node?: number | undefined;
  readonly online?: boolean | undefined;
}

interface WrittenDomain extends Omit<DomainFields, "vcpus" | "weight"> {
  readonly name: DomainId;
  readonly weight: number;
  readonly vcpus: number;
  readonly min?: number | undefined;
  readonly max?: number | null | undefined;
  readonly online?: number | readonly VcpuIndex[] | undefined;
  readonly pins?: readonly (readonly PcpuId[])[] | undefined;
  readonly agent?: GuestReport["agent"] | "none" | undefined;
}

/** Bounds the memory of a description; ten times the largest host that is planned for. */
const VCPUS_IN_ALL_MAX = 100_000;

const id = field({
  rule: `A pCPU, core, cache or node has a whole number from 0 to ${PCPU_ID_MAX}`,
  fix: "Write its number on the host",
  read: readInteger({ min: 0, max: PCPU_ID_MAX }),
});

const topologyShape = { id, core: id, llc: id.optional(), node: id.optional(), online: yesNo().optional() };

const hostShape = {
  pcpus: field({
    rule: `A host has 1 to ${PCPU_ID_MAX + 1} pCPUs`,
    fix: "Write how many, as in 12",
    read: readInteger({ min: 1, max: PCPU_ID_MAX + 1 }),
  }).optional(),
  topology: z.array(z.strictObject(topologyShape)).optional(),
};

const domainShape = {
  ...policyShape,
  ...vcpuBoundsShape,
  name: field(NAME),
  weight: field(WEIGHT),
  vcpus: field(VCPU_COUNT),
  online: field({
    rule: "`online` is a count of vCPUs or a list of their indexes, with vCPU 0 in it",
    fix: "Write 2, or [0, 1]",
    read: readOnline,
  }).optional(),
  pins: z.array(field(PCPU_LIST)).optional(),
  agent: word(["vbal-agent", "qemu-guest-agent", "none"]).optional(),
};

const fileShape = {
  host: z.strictObject(hostShape),
  pool: orNone(PCPU_LIST).optional(),
  rounding: word(["floor", "ceil", "largest-remainder"]).optional(),
  emulator: orNone(PCPU_LIST).optional(),
  domains: z.array(z.strictObject(domainShape)),
};

const hostFileSchema: z.ZodType<WrittenHostFile> = z.strictObject(fileShape);

function knownKeys(at: FieldPath): readonly string[] {
  if (at.length === 0) return Object.keys(fileShape);
  if (at[0] === "host") return Object.keys(at.length === 1 ? hostShape : topologyShape);
  return Object.keys(domainShape);
}

function readOnline(value: unknown): number | readonly VcpuIndex[] | undefined {
  if (!Array.isArray(value)) return VCPU_COUNT.read(value);
  const indexes: readonly number[] | undefined = PCPU_LIST.read(value);
  return indexes?.[0] === 0 ? indexes : undefined;
}

/** `pcpus: N` is N cores without SMT under one cache on one node. */
function pcpusOf(host: WrittenHost): readonly Pcpu[] {
  const topology = host.topology ?? Array.from({ length: host.pcpus ?? 0 }, (_, id) => ({ id, core: id }));
  return topology
    .map((pcpu: WrittenPcpu) => ({
      id: pcpu.id,
      core: pcpu.core,
      llc: pcpu.llc ?? pcpu.node ?? 0,
      node: pcpu.node ?? 0,
      online: pcpu.online ?? true,
    }))
    .sort((a, b) => a.id - b.id);
}

function hostFaults(located: LocatedYaml, written: WrittenHostFile): Fault[] {
  const { pcpus, topology } = written.host;
  const at = (path: FieldPath, rule: string, fix: string): Fault =>
    faultAt(located, path, { rule, fix, value: undefined });
  if ((pcpus === undefined) === (topology === undefined)) {
    return [
      at(
        ["host"],
        "A host has either `pcpus` or `topology`",
        "Write `pcpus: 12`, or list each pCPU's id, core, llc and node",
      ),
    ];
  }
  if (topology === undefined) return [];
  if (topology.length === 0) return [at(["host", "topology"], "A host has at least one pCPU", "List it")];
  const faults: Fault[] = [];
  const places = new Map<string, number>();
  for (const [index, pcpu] of pcpusInOrderOfFile(topology).entries()) {
    const path = ["host", "topology", index];
    const once = (key: string, value: number, rule: string): void => {
      const known = places.get(key);
      if (known !== undefined && known !== value) faults.push(at(path, rule, "Correct one of the two"));
      places.set(key, value);
    };
    once(`pcpu ${pcpu.id}`, index, `pCPU ${pcpu.id} stands only once in the topology`);
    once(`core ${pcpu.core}`, pcpu.llc, `Core ${pcpu.core} is under one last-level cache, not two`);
    once(`llc ${pcpu.llc}`, pcpu.node, `The last-level cache ${pcpu.llc} is on one node, not two`);
  }
  return faults;
}

function pcpusInOrderOfFile(topology: readonly WrittenPcpu[]): Pcpu[] {
  return topology.map((pcpu) => pcpusOf({ topology: [pcpu] })[0]!);
}

/** Says where a fault is and what is wrong. */
type Complain = (path: FieldPath, rule: string, fix: string) => void;

function domainFaults(located: LocatedYaml, written: WrittenHostFile, pcpus: readonly Pcpu[]): Fault[] {
  const faults: Fault[] = [];
  const complain: Complain = (path, rule, fix) => {
    faults.push(faultAt(located, path, { rule, fix, value: undefined }));
  };
  const known = new Set(pcpus.map((pcpu) => pcpu.id));
  checkPcpus(["pool"], written.pool ?? [], known, complain);
  checkPcpus(["emulator"], written.emulator ?? [], known, complain);
  const names = new Set<string>();
  for (const [index, domain] of written.domains.entries()) {
    const at = (...inner: FieldPath): FieldPath => ["domains", index, ...inner];
    if (names.has(domain.name)) {
      complain(at("name"), `There are two domains ${JSON.stringify(domain.name)}`, "Rename one of them");
    }
    names.add(domain.name);
    checkDomainPolicy(at, domain, pcpus, complain);
    checkPresentState(at, domain, known, complain);
  }
  const inAll = written.domains.reduce((sum, { vcpus }) => sum + vcpus, 0);
  if (VCPUS_IN_ALL_MAX < inAll) {
    complain(
      ["domains"],
      `A description holds at most ${VCPUS_IN_ALL_MAX} vCPUs, not ${inAll}`,
      "Describe a smaller host",
    );
  }
  return faults;
}

function checkDomainPolicy(
  at: (...inner: FieldPath) => FieldPath,
  domain: WrittenDomain,
  pcpus: readonly Pcpu[],
  complain: Complain,
): void {
  for (const { paths, rule, fix } of contradictions(domainPolicy(domain))) {
    const written = paths.map((path) => path.at(-1)!).filter((key) => Object.hasOwn(domain, key));
    complain(at(...written.slice(0, 1)), inThisFile(rule), inThisFile(fix));
  }
  if (domain.min !== undefined && domain.vcpus < domain.min) {
    complain(
      at("min"),
      `min (${domain.min}) may not exceed vcpus (${domain.vcpus})`,
      "Lower min or raise vcpus",
    );
  }
  const nodes = [...new Set(pcpus.map((pcpu) => pcpu.node))];
  if (typeof domain.node === "number" && !nodes.includes(domain.node)) {
    complain(at("node"), `The host has no node ${domain.node}`, `Name one of: ${nodes.join(", ")}`);
  }
}

function checkPresentState(
  at: (...inner: FieldPath) => FieldPath,
  domain: WrittenDomain,
  known: ReadonlySet<PcpuId>,
  complain: Complain,
): void {
  const { vcpus, online, pins } = domain;
  const lastOnline = typeof online === "number" ? online - 1 : (online?.at(-1) ?? 0);
  if (vcpus <= lastOnline) {
    complain(at("online"), `Only vCPUs 0 to ${vcpus - 1} can be online`, "Lower online or raise vcpus");
  }
  if (pins !== undefined && pins.length !== vcpus) {
    complain(
      at("pins"),
      `pins has one list for each of ${vcpus} vCPUs, not ${pins.length}`,
      "Add or remove lists",
    );
  }
  for (const [vcpu, list] of (pins ?? []).entries()) checkPcpus(at("pins", vcpu), list, known, complain);
}

function checkPcpus(
  path: FieldPath,
  named: readonly PcpuId[],
  known: ReadonlySet<PcpuId>,
  complain: Complain,
): void {
  const strange = named.filter((id) => !known.has(id));
  if (strange.length > 0)
    complain(path, `The host has no pCPU ${strange.join(", ")}`, "Name pCPUs of the host");
}

/** The config file says `vcpus.max` where a host description says `max`. */
function inThisFile(text: string): string {
  return text.replaceAll("vcpus.", "");
}

function domainPolicy(domain: WrittenDomain): DomainPolicy {
  return withFields(DEFAULT_DOMAIN_POLICY, { ...domain, vcpus: { min: domain.min, max: domain.max } });
}

function filePolicy(written: WrittenHostFile): Policy {
  const domains = Object.create(null) as Record<DomainId, DomainPolicy>;
  for (const domain of written.domains) domains[domain.name] = domainPolicy(domain);
  return {
    ...DEFAULT_POLICY,
    pool: written.pool ?? null,
    rounding: written.rounding ?? DEFAULT_POLICY.rounding,
    emulatorPcpus: written.emulator ?? null,
    domains,
  };
}

function snapshotOf(domain: WrittenDomain, pcpus: readonly Pcpu[]): DomainSnapshot {
  const anywhere = pcpus.filter((pcpu) => pcpu.online).map((pcpu) => pcpu.id);
  const indexes = Array.from({ length: domain.vcpus }, (_, index) => index);
  const vcpus: Vcpu[] = indexes.map((index) => ({
    index,
    pins: domain.pins?.[index] ?? anywhere,
    guestSocket: 0,
    guestCore: index,
    guestThread: 0,
    guestNode: 0,
  }));
  return {
    id: domain.name,
    incarnation: "from-file",
    state: "running",
    vcpus,
    emulatorPins: anywhere,
    guest: guestOf(domain, indexes),
  };
}

function guestOf(domain: WrittenDomain, indexes: readonly VcpuIndex[]): GuestReport | null {
  const agent = domain.agent ?? "vbal-agent";
  if (agent === "none") return null;
  const online = domain.online ?? domain.vcpus;
  const isOnline = (index: VcpuIndex): boolean =>
    typeof online === "number" ? index < online : online.includes(index);
  return {
    agent,
    mechanisms: agent === "vbal-agent" ? ["offline", "isolate"] : ["offline"],
    vcpus: indexes.map((index) => ({ index, online: isOnline(index), canOffline: index !== 0 })),
  };
}

function byId(a: DomainSnapshot, b: DomainSnapshot): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
