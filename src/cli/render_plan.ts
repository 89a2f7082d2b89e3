/** A plan for a person: what each domain gets, where it runs, what would move, and why. */
import { formatRanges } from "../core/ranges.ts";
import type { MoveView, PlanDomainView, PlanView } from "../protocol/plan_view.ts";
import { type Cell, renderTable, wrap } from "./columns.ts";
import { domainKey, type MapPcpu, renderPcpuMap } from "./render_pcpu_map.ts";
import type { Style } from "./style.ts";

export interface PlanLayout {
  readonly width: number;
  readonly style: Style;
}

export function renderPlan(plan: PlanView, layout: PlanLayout): string[] {
  const { style } = layout;
  const sections: [title: string, lines: readonly string[]][] = [
    ["Domains", renderDomains(plan, layout)],
    ["pCPUs", renderPcpuMap({ pcpus: mapOf(plan), width: layout.width, style })],
    ["Why", renderReasons(plan, layout)],
    [`Moves: ${plan.moves.length} of ${countVcpus(plan)} vCPUs`, renderMoves(plan, layout)],
  ];
  return sections.flatMap(([title, lines], i) => [...(i === 0 ? [] : [""]), style.title(title), ...lines]);
}

function renderDomains(plan: PlanView, { width, style }: PlanLayout): string[] {
  if (plan.domains.length === 0) return ["There is no domain to plan for"];
  return renderTable({
    width,
    titleLook: style.faint,
    columns: [
      { title: "", align: "left" },
      { title: "domain", align: "left", shrinkTo: 8 },
      { title: "weight", align: "right", dropRank: 2 },
      { title: "entitled", align: "right", dropRank: 1 },
      { title: "online now", align: "right", dropRank: 3 },
      { title: "target", align: "right" },
      { title: "pCPUs", align: "left", shrinkTo: 8 },
      { title: "shares with", align: "left", shrinkTo: 11 },
    ],
    rows: plan.domains.map((domain, i): Cell[] => [
      { text: domainKey(i), look: (text) => style.domain(i, text) },
      { text: domain.name },
      { text: String(domain.weight) },
      { text: (domain.entitlementMilliPcpu / 1000).toFixed(3) },
      { text: domain.onlineNow === null ? "silent" : String(domain.onlineNow) },
      { text: String(domain.target), look: style.title },
      { text: formatRanges(pcpusOf(domain)) },
      { text: domain.sharesWith.join(", ") },
    ]),
  });
}

function mapOf(plan: PlanView): MapPcpu[] {
  const owners = plan.domains.map((domain) => new Set(onlinePcpusOf(domain)));
  const idle = new Set(plan.idlePcpus);
  return plan.host.pcpus.map(({ id, node, online }) => {
    const occupants = owners.flatMap((pcpus, number) => (pcpus.has(id) ? [{ number, isRunning: true }] : []));
    const state = !online ? "offline" : occupants.length > 0 ? "in-use" : idle.has(id) ? "idle" : "not-ours";
    return { id, node, state, occupants };
  });
}

function renderReasons(plan: PlanView, { width, style }: PlanLayout): string[] {
  const lines = plan.domains.flatMap((domain, i) => [
    `${style.domain(i, domain.name)}`,
    ...domain.reasons.flatMap(({ text }) => wrap(text, width, "  ")),
  ]);
  const notes = plan.notes.flatMap(({ text }) => wrap(text, width, "  "));
  return notes.length === 0 ? lines : [...lines, "host", ...notes];
}

/** More lines of moves than this are counted; the complete list is in the JSON. */
const MOVE_LINES_MAX = 40;

function renderMoves(plan: PlanView, { width, style }: PlanLayout): string[] {
  const groups = groupMoves(plan.moves);
  const shown = groups.slice(0, MOVE_LINES_MAX);
  if (shown.length === 0) return ["Every vCPU is where it should be"];
  const table = renderTable({
    width,
    titleLook: style.faint,
    columns: [
      { title: "domain", align: "left", shrinkTo: 8 },
      { title: "vCPUs", align: "left", shrinkTo: 6 },
      { title: "from pCPU", align: "left", shrinkTo: 9, dropRank: 1 },
      { title: "to pCPU", align: "left", shrinkTo: 10 },
      { title: "because", align: "left", shrinkTo: 20 },
    ],
    rows: shown.map(({ moves, to }): Cell[] => [
      { text: moves[0]!.domain },
      { text: formatRanges(moves.map(({ vcpu }) => vcpu)) },
      { text: moves[0]!.from === null ? "unknown" : formatRanges(moves[0]!.from) },
      { text: to },
      { text: moves[0]!.why.text, look: style.faint },
    ]),
  });
  const rest = groups.slice(MOVE_LINES_MAX).reduce((sum, { moves }) => sum + moves.length, 0);
  return rest === 0 ? table : [...table, `and ${rest} more (--json lists them all)`];
}

interface MoveGroup {
  readonly moves: readonly MoveView[];
  /** Where to: the same for all of them, or a pCPU for each. */
  readonly to: string;
}

/** Neighbours of one domain that come from the same place for the same reason share a line. */
function groupMoves(moves: readonly MoveView[]): MoveGroup[] {
  const groups: MoveView[][] = [];
  for (const move of moves) {
    const last = groups.at(-1)?.at(-1);
    if (last !== undefined && belongTogether(last, move)) groups.at(-1)!.push(move);
    else groups.push([move]);
  }
  return groups.map((group) => {
    const first = group[0]!.to;
    if (group.every(({ to }) => sameList(to, first))) return { moves: group, to: formatRanges(first) };
    const ascending = group.every(({ to }, i) => i === 0 || group[i - 1]!.to[0]! < to[0]!);
    const pcpus = group.map(({ to }) => to[0]!);
    return { moves: group, to: ascending ? `${formatRanges(pcpus)}, one each` : pcpus.join(",") };
  });
}

function belongTogether(a: MoveView, b: MoveView): boolean {
  const isSingle = a.to.length === 1 && b.to.length === 1;
  return (
    a.domain === b.domain &&
    a.why.text === b.why.text &&
    sameList(a.from, b.from) &&
    (isSingle || sameList(a.to, b.to))
  );
}

function sameList(a: readonly number[] | null, b: readonly number[] | null): boolean {
  return a === b || (a !== null && b !== null && a.join() === b.join());
}

function pcpusOf(domain: PlanDomainView): number[] {
  return [...new Set(domain.vcpus.flatMap(({ pcpus }) => pcpus))].sort((a, b) => a - b);
}

function onlinePcpusOf(domain: PlanDomainView): number[] {
  return domain.vcpus.filter(({ online }) => online).flatMap(({ pcpus }) => pcpus);
}

function countVcpus(plan: PlanView): number {
  return plan.domains.reduce((sum, { vcpus }) => sum + vcpus.length, 0);
}
