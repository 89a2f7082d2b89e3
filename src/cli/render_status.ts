/** The state of the daemon on one screen: `vbal status`, and the body of every frame of `vbal top`. */
import { formatRanges } from "../core/ranges.ts";
import type { CooperationView, DomainView, StateView } from "../protocol/state_view.ts";
import { type Cell, type Column, renderTable, truncate, wrap } from "./columns.ts";
import { renderLoadBar } from "./render_bar.ts";
import { nearestRatio } from "./render_load.ts";
import { domainKey, type MapPcpu, renderPcpuMap } from "./render_pcpu_map.ts";
import { renderRequest } from "./render_requests.ts";
import { renderTime } from "./render_time.ts";
import type { Style } from "./style.ts";

export interface StatusLayout {
  readonly width: number;
  readonly style: Style;
  readonly utcOffsetMinutes: number;
  /** No more lines than this: what does not fit is counted, never cut without a word. */
  readonly height?: number;
  /** Leave out the first so many domains. */
  readonly scroll?: number;
}

export function renderStatus(state: StateView, layout: StatusLayout): string[] {
  const { style } = layout;
  const height = layout.height ?? Number.POSITIVE_INFINITY;
  const head = renderHead(state, layout);
  const map = section(
    "pCPUs",
    renderPcpuMap(mapOf(state, { ...layout, height: Math.floor(height / 3) })),
    style,
  );
  const problems = section("Problems", first(renderProblems(state, layout), layout), style);
  const taken = head.length + map.length + problems.length;
  const domains = section("Domains", renderDomains(state, { ...layout, height: height - taken - 1 }), style);
  const left = height - taken - domains.length;
  const requests = newest(section("Requests", renderRequests(state, layout), style), left);
  const rest = left - requests.length;
  const notes = section("Notes", renderNotes(state, layout), style);
  return [...head, ...map, ...domains, ...problems, ...requests, ...newest(notes, rest)];
}

/** More of them would push the domains off a screen; where height does not matter all are shown. */
const PROBLEM_LINES_MAX = 5;
/** A title with nothing below it is noise. */
const NOTE_LINES_MIN = 3;

function section(title: string, lines: readonly string[], style: Style): string[] {
  return lines.length === 0 ? [] : ["", style.title(title), ...lines];
}

function first(lines: readonly string[], { height, style }: StatusLayout): readonly string[] {
  if (height === undefined || lines.length <= PROBLEM_LINES_MAX) return lines;
  const rest = lines.length - PROBLEM_LINES_MAX + 1;
  return [...lines.slice(0, PROBLEM_LINES_MAX - 1), style.faint(`and ${rest} lines more: see vbal status`)];
}

/** The title and as many of the last lines as fit; nothing where only a title would. */
function newest(lines: readonly string[], count: number): string[] {
  if (count < NOTE_LINES_MIN) return [];
  if (lines.length <= count) return [...lines];
  return [...lines.slice(0, 2), ...lines.slice(lines.length - count + 2)];
}

function renderHead(
  { daemon, domains, host, atMs }: StateView,
  { width, style, utcOffsetMinutes }: StatusLayout,
): string[] {
  const online = sum(domains.map((domain) => domain.online ?? domain.vcpus.length));
  const pool = host.pcpus.filter((pcpu) => pcpu.online && pcpu.inPool).length;
  const facts = [
    `up ${renderDuration(daemon.uptimeMs)}`,
    `${count(domains.length, "domain")}, ${online} vCPUs online on ${count(pool, "pCPU")}`,
    daemon.hypervisor,
    `pid ${daemon.pid}`,
    renderTime(atMs, utcOffsetMinutes),
  ];
  const mode = MODES[daemon.mode];
  const rest = truncate(`  ${facts.join("  ")}`, width - "vbal".length - mode.length);
  const lines = [style.title("vbal") + style.warn(mode) + style.faint(rest)];
  if (daemon.configProblem !== null) {
    lines.push(...wrap(`The old config stays in force: ${daemon.configProblem}`, width).map(style.bad));
  }
  return lines;
}

const MODES: Readonly<Record<StateView["daemon"]["mode"], string>> = {
  controlling: "",
  observing: "  observing only",
  paused: "  paused",
  releasing: "  putting everything back",
};

function mapOf(state: StateView, layout: StatusLayout): Parameters<typeof renderPcpuMap>[0] {
  const meant = new Map<number, Set<number>>();
  const running = new Map<number, Set<number>>();
  const add = (map: Map<number, Set<number>>, pcpu: number, number: number): void => {
    const numbers = map.get(pcpu);
    if (numbers === undefined) map.set(pcpu, new Set([number]));
    else numbers.add(number);
  };
  for (const [number, domain] of state.domains.entries()) {
    for (const vcpu of domain.vcpus) {
      if (vcpu.online === false) continue;
      if (vcpu.lastPcpu !== null && isBusy(vcpu.runPercent)) add(running, vcpu.lastPcpu, number);
      // Unpinned vCPUs may run anywhere and mark no place.
      if (domain.managed) for (const pcpu of vcpu.pcpus ?? []) add(meant, pcpu, number);
    }
  }
  const pcpus = state.host.pcpus.map(({ id, node, online, inPool }): MapPcpu => {
    const here = running.get(id) ?? new Set();
    const numbers = [...new Set([...here, ...(meant.get(id) ?? [])])].sort((a, b) => a - b);
    return {
      id,
      node,
      state: !online ? "offline" : numbers.length > 0 ? "in-use" : inPool ? "idle" : "not-ours",
      occupants: numbers.map((number) => ({ number, isRunning: here.has(number) })),
    };
  });
  return { pcpus, width: layout.width, style: layout.style, linesMax: Math.max(2, layout.height ?? 0) };
}

/** Housekeeping of an idle guest stays below this. */
const BUSY_PERCENT = 2;

function isBusy(runPercent: number | null): boolean {
  return runPercent === null || BUSY_PERCENT <= runPercent;
}

const BAR_WIDTH = 10;

const COLUMNS: readonly Column[] = [
  { title: "", align: "left" },
  { title: "domain", align: "left", shrinkTo: 10 },
  { title: "weight", align: "right", dropRank: 6 },
  { title: "entitled", align: "right", dropRank: 5 },
  { title: "vCPUs", align: "right" },
  { title: "pCPUs", align: "left", shrinkTo: 6 },
  { title: "", align: "left", dropRank: 2 },
  { title: "run", align: "right" },
  { title: "wait", align: "right", dropRank: 1 },
  { title: "steal", align: "right", dropRank: 4 },
  { title: "guest", align: "left", shrinkTo: 7, dropRank: 3 },
];

function renderDomains(state: StateView, { width, height, scroll = 0, style }: StatusLayout): string[] {
  if (state.domains.length === 0) return ["None yet: vbal waits for one to arrive"];
  const fits = Math.max(1, (height ?? Number.POSITIVE_INFINITY) - 3);
  const first = Math.max(0, Math.min(scroll, state.domains.length - fits));
  const shown = state.domains.slice(first, first + fits);
  const asking = askingColumns(state.domains);
  const columns = [...COLUMNS, ...asking.map(({ column }) => column)];
  const rows = shown.map((domain, i) => [
    ...rowOf(domain, first + i, style),
    ...asking.map(({ cell }) => cell(domain, style)),
  ]);
  const table = renderTable({ columns, rows, width, titleLook: style.faint });
  const hidden = state.domains.length - shown.length;
  return hidden === 0
    ? table
    : [...table, style.faint(`${first} above and ${hidden - first} below not shown`)];
}

interface AskingColumn {
  readonly column: Column;
  readonly cell: (domain: DomainView, style: Style) => Cell;
}

/** Only where some domain has something to show in them. */
function askingColumns(domains: readonly DomainView[]): AskingColumn[] {
  const columns: AskingColumn[] = [];
  if (domains.some(({ loan = 0 }) => loan !== 0)) {
    columns.push({ column: { title: "loan", align: "right", dropRank: 4.5 }, cell: loanCell });
  }
  if (domains.some(({ load }) => load !== undefined)) {
    columns.push({ column: { title: "load", align: "right", dropRank: 2.5 }, cell: loadCell });
  }
  return columns;
}

function loanCell({ loan = 0 }: DomainView): Cell {
  return { text: loan === 0 ? "" : `${0 < loan ? "+" : ""}${loan}` };
}

/** In percent of where its guest asks for a vCPU. */
function loadCell({ load }: DomainView, style: Style): Cell {
  const ratio = load === undefined ? null : nearestRatio(load);
  return {
    text: renderPercent(ratio === null ? null : 100 * ratio),
    look: ratio !== null && 1 < ratio ? style.warn : undefined,
  };
}

function rowOf(domain: DomainView, number: number, style: Style): Cell[] {
  const run = sumKnown(domain.vcpus.map(({ runPercent }) => runPercent));
  const wait = sumKnown(domain.vcpus.map(({ waitPercent }) => waitPercent));
  const steal = sumKnown(domain.vcpus.map(({ stealPercent }) => stealPercent));
  const whole = 100 * Math.max(domain.online ?? domain.vcpus.length, 1);
  const standing = standingOf(domain, style);
  const pcpus = [
    ...new Set(domain.vcpus.filter((vcpu) => vcpu.online !== false).flatMap((vcpu) => vcpu.pcpus ?? [])),
  ];
  return [
    { text: domainKey(number), look: (text) => style.domain(number, text) },
    { text: domain.name, look: domain.managed ? undefined : style.faint },
    { text: String(domain.weight) },
    { text: domain.entitlementMilliPcpu === null ? "-" : (domain.entitlementMilliPcpu / 1000).toFixed(2) },
    vcpusCell(domain, style),
    { text: formatRanges(pcpus.sort((a, b) => a - b)) + (domain.sharesWith.length > 0 ? " shared" : "") },
    {
      text: renderLoadBar({ run: (run ?? 0) / whole, wait: (wait ?? 0) / whole }, BAR_WIDTH, style.unicode),
      look: (text) => style.domain(number, text),
    },
    { text: renderPercent(run) },
    { text: renderPercent(wait), look: wait !== null && WAIT_WARN_PERCENT <= wait ? style.warn : undefined },
    {
      text: renderPercent(steal),
      look: steal !== null && WAIT_WARN_PERCENT <= steal ? style.warn : undefined,
    },
    standing,
  ];
}

/** A domain that waits for a tenth of a pCPU is short of something. */
const WAIT_WARN_PERCENT = 10;

function vcpusCell({ online, target, vcpus }: DomainView, style: Style): Cell {
  if (online === null) return { text: `${vcpus.length}`, look: style.faint };
  if (target === null || target === online) return { text: String(online) };
  return { text: `${online}${style.unicode ? "→" : ">"}${target}`, look: style.warn };
}

function standingOf({ managed, cooperation, guestAgent, pending }: DomainView, style: Style): Cell {
  if (!managed) return { text: "left alone", look: style.faint };
  const texts: Record<CooperationView, Cell> = {
    active:
      pending.length > 0 ? { text: "changing", look: style.warn } : { text: "follows", look: style.good },
    stuck: { text: "stuck", look: style.warn },
    uncooperative: { text: "uncooperative", look: style.bad },
    silent: { text: "silent", look: style.faint },
    paused: { text: "paused", look: style.faint },
  };
  const cell = texts[cooperation];
  return guestAgent === "qemu-guest-agent" ? { ...cell, text: `${cell.text} (qga)` } : cell;
}

function renderProblems({ problems }: StateView, { width, style }: StatusLayout): string[] {
  return problems.flatMap(({ domain, message }) =>
    wrap(domain === null ? message : `${domain}: ${message}`, width).map(style.warn),
  );
}

function renderNotes({ notes }: StateView, { width, style, utcOffsetMinutes }: StatusLayout): string[] {
  return notes.map(({ atMs, text }) => {
    const time = renderTime(atMs, utcOffsetMinutes);
    return `${style.faint(time)}  ${truncate(text, width - 10)}`;
  });
}

/** The latest of all domains, oldest first. */
function renderRequests({ domains }: StateView, { width, style, utcOffsetMinutes }: StatusLayout): string[] {
  return domains
    .flatMap(({ name, requests = [] }) => requests.map((request) => ({ name, request })))
    .sort((a, b) => a.request.atMs - b.request.atMs)
    .slice(-REQUEST_LINES_MAX)
    .map(({ name, request }) => {
      const { text, look } = renderRequest(request, style);
      const time = renderTime(request.atMs, utcOffsetMinutes);
      return `${style.faint(time)}  ${look(truncate(`${name}: ${text}`, width - 10))}`;
    });
}

/** Who wants more looks at one domain with `vbal explain`. */
const REQUEST_LINES_MAX = 5;

function renderPercent(percent: number | null): string {
  return percent === null ? "-" : `${Math.round(percent)}%`;
}

/** The two largest units: "3d 4h", "12m 5s". */
export function renderDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return "0s";
  return parts
    .slice(first, first + 2)
    .map(([value, unit]) => `${value}${unit}`)
    .join(" ");
}

function sumKnown(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : sum(known);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function count(n: number, thing: string): string {
  return `${n} ${thing}${n === 1 ? "" : "s"}`;
}
