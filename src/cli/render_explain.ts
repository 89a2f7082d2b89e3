/** Everything that there is to know of one domain: what it is due, what it has, where it runs, and why. */
import { formatRanges } from "../core/ranges.ts";
import type { DomainView, StateView, VcpuView } from "../protocol/state_view.ts";
import { type Cell, renderTable, wrap } from "./columns.ts";
import { renderLoad } from "./render_load.ts";
import { renderRequest } from "./render_requests.ts";
import { renderTime } from "./render_time.ts";
import type { Style } from "./style.ts";

export interface ExplainLayout {
  readonly width: number;
  readonly style: Style;
  readonly utcOffsetMinutes: number;
}

export function renderExplain(
  state: StateView,
  domain: DomainView,
  { width, style, utcOffsetMinutes }: ExplainLayout,
): string[] {
  const own = state.notes.filter((note) => note.domain === domain.name);
  const list = (title: string, sentences: readonly string[]): string[] =>
    sentences.length === 0
      ? []
      : ["", style.title(title), ...sentences.flatMap((text) => wrap(text, width, "  "))];
  return [
    style.title(domain.name),
    ...summary(domain).flatMap((text) => wrap(text, width, "  ")),
    ...list(
      "Why",
      domain.reasons.map(({ text }) => text),
    ),
    ...list("Under way", domain.pending),
    ...list(
      "Problems",
      state.problems.filter((problem) => problem.domain === domain.name).map(({ message }) => message),
    ),
    ...renderAsking(domain, { width, style, utcOffsetMinutes }),
    "",
    style.title("vCPUs"),
    ...renderVcpus(domain, width, style),
    ...list(
      "Notes",
      own.map(({ atMs, text }) => `${renderTime(atMs, utcOffsetMinutes)}  ${text}`),
    ),
  ];
}

/** What its load monitor says, and what it asked for. */
function renderAsking(domain: DomainView, layout: ExplainLayout): string[] {
  const { width, style, utcOffsetMinutes } = layout;
  const { load, requests = [] } = domain;
  return [
    ...(load === undefined ? [] : ["", style.title("Load"), ...renderLoad(load, layout)]),
    ...(load?.degraded ?? []).flatMap((text) => wrap(text, width, "  ").map(style.faint)),
    ...(requests.length === 0 ? [] : ["", style.title("Requests")]),
    ...requests.flatMap((request) => {
      const { text, look } = renderRequest(request, style);
      return wrap(`${renderTime(request.atMs, utcOffsetMinutes)}  ${text}`, width, "  ").map(look);
    }),
  ];
}

function summary(domain: DomainView): string[] {
  const { entitlementMilliPcpu, target, online, vcpus } = domain;
  if (!domain.managed) return ["vbal leaves it alone: its policy says managed: false"];
  const bounds = [
    `weight ${domain.weight}`,
    ...(domain.reservationMilliPcpu > 0 ? [`reservation ${pcpus(domain.reservationMilliPcpu)}`] : []),
    ...(domain.capMilliPcpu === null ? [] : [`cap ${pcpus(domain.capMilliPcpu)}`]),
    `vCPUs ${domain.vcpusMin} to ${domain.vcpusMax ?? vcpus.length}`,
  ];
  return [
    `Policy: ${bounds.join(", ")}`,
    entitlementMilliPcpu === null || target === null
      ? "Not planned yet"
      : `Due: ${pcpus(entitlementMilliPcpu)}, so ${target} of its ${vcpus.length} vCPUs should be online`,
    online === null
      ? "Guest: silent"
      : `Guest: ${online} online, ${cooperation(domain)} (${domain.guestAgent ?? "no agent"})`,
    ...loanOf(domain),
    domain.sharesWith.length === 0
      ? "It shares no pCPU"
      : `It shares pCPUs with ${domain.sharesWith.join(", ")}`,
  ];
}

function loanOf({ loan = 0 }: DomainView): string[] {
  if (loan === 0) return [];
  const vcpus = `${Math.abs(loan)} vCPU${Math.abs(loan) === 1 ? "" : "s"}`;
  return [
    0 < loan
      ? `On loan: ${vcpus} beyond what its weight gives it, until the owner needs it`
      : `Lent: ${vcpus} of what its weight gives it, until it asks for them`,
  ];
}

function cooperation(domain: DomainView): string {
  switch (domain.cooperation) {
    case "active":
      return "it follows its target";
    case "stuck":
      return "it has not moved towards its target for a while";
    case "uncooperative":
      return "it has not followed its target for so long that a person should look";
    case "silent":
      return "it does not answer";
    case "paused":
      return "it is paused";
  }
}

function renderVcpus(domain: DomainView, width: number, style: Style): string[] {
  const percent = (value: number | null): string => (value === null ? "-" : `${Math.round(value)}%`);
  return renderTable({
    width,
    titleLook: style.faint,
    columns: [
      { title: "vCPU", align: "right" },
      { title: "state", align: "left" },
      { title: "may run on", align: "left", shrinkTo: 10 },
      { title: "ran on", align: "right" },
      { title: "run", align: "right" },
      { title: "wait", align: "right" },
      { title: "steal", align: "right" },
    ],
    rows: domain.vcpus.map((vcpu): Cell[] => [
      { text: String(vcpu.index) },
      stateCell(vcpu, style),
      { text: vcpu.pcpus === null ? "unknown" : formatRanges(vcpu.pcpus) },
      { text: vcpu.lastPcpu === null ? "-" : String(vcpu.lastPcpu) },
      { text: percent(vcpu.runPercent) },
      { text: percent(vcpu.waitPercent) },
      { text: percent(vcpu.stealPercent) },
    ]),
  });
}

function stateCell({ online }: VcpuView, style: Style): Cell {
  if (online === null) return { text: "unknown", look: style.faint };
  return online ? { text: "online", look: style.good } : { text: "offline", look: style.faint };
}

function pcpus(milli: number): string {
  return `${milli / 1000} ${milli === 1000 ? "pCPU" : "pCPUs"}`;
}
