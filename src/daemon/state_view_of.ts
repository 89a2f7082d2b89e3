/** Builds what the daemon shows of itself (protocol/state_view.ts) from what the loop knows. Pure. */
import type { Command } from "../core/action.ts";
import type { ControllerState } from "../core/controller_state.ts";
import { explainReason } from "../core/explain.ts";
import type { DomainSnapshot } from "../core/model.ts";
import { type Policy, policyOf } from "../core/policy.ts";
import { formatRanges } from "../core/ranges.ts";
import { onlineOf } from "../core/reconcile.ts";
import type { Milliseconds } from "../core/units.ts";
import { unreachable } from "../core/unreachable.ts";
import { wouldDo } from "../core/would_do.ts";
import type { DomainLoad, Problem } from "../hypervisor/port.ts";
import type { ThresholdInForce } from "../protocol/guest_messages.ts";
import type {
  CooperationView,
  DaemonView,
  DomainView,
  NoteView,
  PcpuView,
  StateView,
  VcpuView,
} from "../protocol/state_view.ts";
import { type MonitorLayers, monitorRulesOf } from "./guest_monitors.ts";
import { loadViewOf } from "./load_view_of.ts";
import type { RequestLog } from "./request_log.ts";
import type { UsageWindow } from "./usage_window.ts";

export interface StateParts {
  readonly now: Milliseconds;
  readonly revision: number;
  readonly daemon: DaemonView;
  readonly policy: Policy;
  readonly state: ControllerState;
  readonly usage: UsageWindow;
  readonly problems: readonly Problem[];
  readonly notes: readonly NoteView[];
  readonly load: readonly DomainLoad[];
  readonly requests: RequestLog;
  readonly monitors: MonitorLayers;
}

export function stateViewOf(parts: StateParts): StateView {
  const { now, revision, daemon, state, problems, notes } = parts;
  const pending = pendingIn(parts);
  return {
    version: 1,
    atMs: now,
    revision,
    daemon,
    host: { pcpus: pcpuViews(parts) },
    domains: (state.snapshot?.domains ?? []).map((domain) => domainView(domain, { ...parts, pending })),
    problems,
    notes,
  };
}

function pcpuViews({ state, policy }: StateParts): PcpuView[] {
  const pool = policy.pool === null ? null : new Set(policy.pool);
  return (state.snapshot?.pcpus ?? []).map((pcpu) => ({
    ...pcpu,
    inPool: pool?.has(pcpu.id) ?? pcpu.online,
  }));
}

/** What is under way; of a daemon that only observes, what it would do. */
function pendingIn({ policy, state, now }: StateParts): readonly Command[] {
  const observes = policy.mode === "observe" && state.mode === "controlling";
  return observes ? wouldDo(policy, state, now) : state.underWay.map(({ command }) => command);
}

function domainView(
  domain: DomainSnapshot,
  parts: StateParts & { readonly pending: readonly Command[] },
): DomainView {
  const { state, policy, usage } = parts;
  const own = policyOf(policy, domain.id);
  const plan = state.plan?.domains.find(({ id }) => id === domain.id);
  const online = onlineOf(domain);
  return {
    name: domain.id,
    managed: own.managed,
    weight: own.weight,
    reservationMilliPcpu: own.reservation,
    capMilliPcpu: own.cap,
    vcpusMin: own.vcpusMin,
    vcpusMax: own.vcpusMax,
    entitlementMilliPcpu: plan?.entitlement ?? null,
    target: plan?.target ?? null,
    online: online?.length ?? null,
    guestAgent: domain.guest?.agent ?? null,
    cooperation: cooperationOf(domain, state),
    interruptsPerSecond: usage.interruptsPerSecondOf(domain.id),
    sharesWith: plan?.sharesWith ?? [],
    vcpus: domain.vcpus.map(
      (vcpu): VcpuView => ({
        index: vcpu.index,
        online: online?.includes(vcpu.index) ?? null,
        pcpus: vcpu.pins,
        ...usage.shareOf(domain.id, vcpu.index),
        lastPcpu: usage.lastPcpuOf(domain.id, vcpu.index),
      }),
    ),
    reasons: (plan?.reasons ?? []).map((reason) => ({
      code: reason.code,
      text: explainReason(reason),
      data: reason,
    })),
    pending: parts.pending.filter((command) => command.domain === domain.id).map(describeCommand),
    ...(state.domains.find(({ id }) => id === domain.id)?.touched === true ? { changed: true } : {}),
    ...askingView(domain, parts),
  };
}

/** What there is to say of its load monitor and its requests. */
function askingView(
  { id }: DomainSnapshot,
  { state, load, requests, monitors }: StateParts,
): Pick<DomainView, "load" | "requests" | "loan" | "monitor"> {
  const own = load.find(({ domain }) => domain === id);
  const asked = requests.of(id);
  const demand = state.domains.find((domain) => domain.id === id)?.demand;
  const loan = demand ? demand.allotted - demand.due : 0;
  const { on, measuresEvery, thresholds } = monitorRulesOf(monitors, id);
  return {
    monitor: {
      on,
      measuresEveryMs: measuresEvery ?? 0,
      thresholds,
      ...(own === undefined ? {} : { inForce: own.thresholds.filter(isWorthSaying) }),
    },
    ...(own === undefined ? {} : { load: loadViewOf(own) }),
    ...(asked.length === 0 ? {} : { requests: asked }),
    ...(loan === 0 ? {} : { loan }),
  };
}

function isWorthSaying({ value, origin }: ThresholdInForce): boolean {
  return value !== null || origin !== "default";
}

function cooperationOf(domain: DomainSnapshot, state: ControllerState): CooperationView {
  if (domain.state === "paused") return "paused";
  if (domain.guest === null) return "silent";
  return state.domains.find(({ id }) => id === domain.id)?.cooperation.standing ?? "active";
}

function describeCommand(command: Command): string {
  switch (command.kind) {
    case "pin-vcpu":
      return `Pin vCPU ${command.vcpu} to pCPU ${formatRanges(command.pcpus)}`;
    case "pin-emulator":
      return `Put the emulator's threads on pCPU ${formatRanges(command.pcpus)}`;
    case "set-online":
      return `Ask the guest to use vCPUs ${formatRanges(command.online)}`;
    case "plug-vcpu":
      return `Plug a vCPU into socket ${command.slot.guestSocket}, core ${command.slot.guestCore}`;
    case "unplug-vcpu":
      return `Unplug vCPU ${command.vcpu}`;
    default:
      return unreachable(command);
  }
}
