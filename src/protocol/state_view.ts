/**
 * What the daemon shows of itself: GET /v1/state, for the CLI, the page and other programs. Names carry units.
 * Percentages are of one pCPU's time since the view before; `null` is "not known", never 0.
 */
import { z } from "zod";

export interface StateView {
  readonly version: 1;
  /** Wall clock when this was made, in milliseconds since 1970. */
  readonly atMs: number;
  /** Grows with every observation. */
  readonly revision: number;
  readonly daemon: DaemonView;
  readonly host: { readonly pcpus: readonly PcpuView[] };
  /** Ordered by name. */
  readonly domains: readonly DomainView[];
  /** What is not as it should be now. */
  readonly problems: readonly ProblemView[];
  /** The last few notes, oldest first. */
  readonly notes: readonly NoteView[];
}

export interface DaemonView {
  readonly pid: number;
  readonly version: string;
  readonly uptimeMs: number;
  /** `observing`: nothing is changed. `paused`: neither, until somebody resumes. `releasing`: a clean stop. */
  readonly mode: "controlling" | "observing" | "paused" | "releasing";
  /** null: none was given. */
  readonly configFile: string | null;
  /** Why the last edit of the config file was refused; null when it is in force. */
  readonly configProblem: string | null;
  readonly journal: string | null;
  readonly hypervisor: string;
}

export interface PcpuView {
  readonly id: number;
  readonly core: number;
  readonly llc: number;
  readonly node: number;
  readonly online: boolean;
  /** vbal divides it. */
  readonly inPool: boolean;
}

export type CooperationView = "active" | "stuck" | "uncooperative" | "silent" | "paused";

export interface DomainView {
  readonly name: string;
  readonly managed: boolean;
  readonly weight: number;
  readonly reservationMilliPcpu: number;
  readonly capMilliPcpu: number | null;
  readonly vcpusMin: number;
  readonly vcpusMax: number | null;
  /** null: not planned (not managed, or not yet). */
  readonly entitlementMilliPcpu: number | null;
  readonly target: number | null;
  /** null: the guest did not say. */
  readonly online: number | null;
  readonly guestAgent: "vbal-agent" | "qemu-guest-agent" | null;
  readonly cooperation: CooperationView;
  /** How often its vCPUs interrupted each other between its last two reports; null: the guest did not say. */
  readonly interruptsPerSecond: number | null;
  readonly sharesWith: readonly string[];
  /** Every plugged vCPU, ordered by index. */
  readonly vcpus: readonly VcpuView[];
  readonly reasons: readonly ExplainedView[];
  /** Commands given out and not confirmed, as sentences; while vbal observes or is paused, those that it would give out. */
  readonly pending: readonly string[];
  /** vbal has changed something of it that it would put back; absent: it is as it was found. */
  readonly changed?: true;
  /** What its load monitor says; absent without one. */
  readonly load?: LoadView;
  /** The last requests for a vCPU, oldest first; absent: none. */
  readonly requests?: readonly RequestView[];
  /** vCPUs beyond what its weight alone gives it (positive), or that it lends to others (negative); absent: none. */
  readonly loan?: number;
  /** What the host tells its load monitor; absent from an older daemon. */
  readonly monitor?: MonitorView;
}

export interface MonitorView {
  readonly on: boolean;
  /** 0: never. */
  readonly measuresEveryMs: number;
  /** The host's layer, by the id of a measure; null: not watched. What is not named is as the guest has it. */
  readonly thresholds: Readonly<Record<string, number | null>>;
  /** What the guest says is in force, all layers together; absent: it did not say. Not watched by default: left out. */
  readonly inForce?: readonly {
    readonly measure: string;
    readonly value: number | null;
    readonly origin: "default" | "file" | "host" | "other";
  }[];
}

export interface LoadView {
  /** Ordered as the monitor has them: vCPU, node, VM. */
  readonly measures: readonly MeasureView[];
  /** What is not measured, in whole or in part, and why. */
  readonly degraded: readonly string[];
}

export interface MeasureView {
  readonly measure: string;
  readonly unit: string;
  /** vCPUs or nodes, ascending; [-1] for the VM. */
  readonly subjects: readonly number[];
  /** In the order of `subjects`. */
  readonly values: readonly (number | null)[];
  /** null: it is shown, and leads to no request. */
  readonly threshold: number | null;
  readonly origin: "default" | "file" | "host" | "other" | null;
}

export interface RequestView {
  readonly id: string;
  readonly atMs: number;
  /** `administrator`: a person, in the guest or on the host. */
  readonly origin: "monitor" | "administrator";
  /** null: from an administrator. */
  readonly exceeded: {
    readonly measure: string;
    readonly level: "vcpu" | "node" | "vm";
    readonly value: number;
    readonly threshold: number;
  } | null;
  /** The virtual NUMA node that was asked for; null for anywhere. */
  readonly node: number | null;
  /** `waiting`: for a vCPU that is being plugged. */
  readonly fate: "waiting" | "granted" | "denied";
  /** The additional vCPU; null unless granted. */
  readonly vcpu: number | null;
  /** A sentence. */
  readonly why: string;
  /** null: not yet. */
  readonly answeredAtMs: number | null;
  /** When the vCPU was seen online; null: not yet, or never. */
  readonly onlineAtMs: number | null;
}

export interface VcpuView {
  readonly index: number;
  /** In use by the guest; null for a silent guest. */
  readonly online: boolean | null;
  /** Where it may run; null when that could not be read. */
  readonly pcpus: readonly number[] | null;
  readonly runPercent: number | null;
  /** Runnable, but the host ran something else. */
  readonly waitPercent: number | null;
  /** The same waiting as the guest was told. */
  readonly stealPercent: number | null;
  /** How often the host put it on a pCPU: some hundred times where it shares one, thousands where it halts and wakes. */
  readonly dispatchesPerSecond: number | null;
  readonly lastPcpu: number | null;
}

/** A reason or a note: a sentence, and the data that it says. */
export interface ExplainedView {
  readonly code: string;
  readonly text: string;
  readonly data?: unknown;
}

export interface NoteView extends ExplainedView {
  readonly atMs: number;
  readonly domain: string | null;
}

export interface ProblemView {
  readonly domain: string | null;
  readonly message: string;
}

/** The view, or a sentence about what does not fit (an older or newer daemon). */
export function parseStateView(value: unknown): { readonly view: StateView } | { readonly problem: string } {
  const result = stateViewSchema.safeParse(value);
  if (result.success) return { view: result.data as StateView };
  const issue = result.error.issues[0]!;
  return { problem: `${issue.path.join(".") || "the whole"}: ${issue.message}` };
}

const count = z.number().int().min(0);
const percent = z.number().min(0).nullable();
const explained = { code: z.string(), text: z.string(), data: z.unknown().optional() };

const daemon = z.object({
  pid: count,
  version: z.string(),
  uptimeMs: z.number().min(0),
  mode: z.enum(["controlling", "observing", "paused", "releasing"]),
  configFile: z.string().nullable(),
  configProblem: z.string().nullable(),
  journal: z.string().nullable(),
  hypervisor: z.string(),
});

const pcpu = z.object({
  id: count,
  core: z.number().int(),
  llc: z.number().int(),
  node: z.number().int(),
  online: z.boolean(),
  inPool: z.boolean(),
});

const vcpu = z.object({
  index: count,
  online: z.boolean().nullable(),
  pcpus: z.array(count).nullable(),
  runPercent: percent,
  waitPercent: percent,
  stealPercent: percent,
  // A daemon of an earlier version does not tell.
  dispatchesPerSecond: count.nullable().default(null),
  lastPcpu: count.nullable(),
});

const thresholdOrigin = z.enum(["default", "file", "host", "other"]);

const monitor = z.object({
  on: z.boolean(),
  measuresEveryMs: count,
  thresholds: z.record(z.string(), z.number().nullable()),
  inForce: z
    .array(z.object({ measure: z.string(), value: z.number().nullable(), origin: thresholdOrigin }))
    .optional(),
});

const load = z.object({
  measures: z.array(
    z.object({
      measure: z.string(),
      unit: z.string(),
      subjects: z.array(z.number().int()),
      values: z.array(z.number().nullable()),
      threshold: z.number().nullable(),
      origin: thresholdOrigin.nullable(),
    }),
  ),
  degraded: z.array(z.string()),
});

export const requestViewSchema: z.ZodType<RequestView> = z.object({
  id: z.string(),
  atMs: z.number(),
  origin: z.enum(["monitor", "administrator"]),
  exceeded: z
    .object({
      measure: z.string(),
      level: z.enum(["vcpu", "node", "vm"]),
      value: z.number(),
      threshold: z.number(),
    })
    .nullable(),
  node: z.number().int().nullable(),
  fate: z.enum(["waiting", "granted", "denied"]),
  vcpu: count.nullable(),
  why: z.string(),
  answeredAtMs: z.number().nullable(),
  onlineAtMs: z.number().nullable(),
});

/** One domain of the view. */
export const domainViewSchema: z.ZodType<unknown> = z
  .object({
    name: z.string(),
    managed: z.boolean(),
    weight: count,
    reservationMilliPcpu: count,
    capMilliPcpu: count.nullable(),
    vcpusMin: count,
    vcpusMax: count.nullable(),
    entitlementMilliPcpu: count.nullable(),
    target: count.nullable(),
    online: count.nullable(),
    guestAgent: z.enum(["vbal-agent", "qemu-guest-agent"]).nullable(),
    cooperation: z.enum(["active", "stuck", "uncooperative", "silent", "paused"]),
    // A daemon of an earlier version does not tell.
    interruptsPerSecond: count.nullable().default(null),
    sharesWith: z.array(z.string()),
    vcpus: z.array(vcpu),
    reasons: z.array(z.object(explained)),
    pending: z.array(z.string()),
    changed: z.literal(true).optional(),
    load: load.optional(),
    requests: z.array(requestViewSchema).optional(),
    loan: z.number().int().optional(),
    monitor: monitor.optional(),
  })
  .meta({ id: "DomainView" });

/** Unknown fields are dropped: a newer daemon may say more, and what leaves the API is what stands here. */
export const stateViewSchema: z.ZodType<unknown> = z
  .object({
    version: z.literal(1),
    atMs: z.number(),
    revision: count,
    daemon,
    host: z.object({ pcpus: z.array(pcpu) }),
    domains: z.array(domainViewSchema),
    problems: z.array(z.object({ domain: z.string().nullable(), message: z.string() })),
    notes: z.array(z.object({ ...explained, atMs: z.number(), domain: z.string().nullable() })),
  })
  .meta({ id: "StateView" });
