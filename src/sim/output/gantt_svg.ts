/**
 * A short window of a run as a picture (SVG): a row per pCPU with who ran there, then a row per vCPU with what it was
 * about. A domain has one colour throughout; causes are told apart by shade and pattern, so that the picture reads in
 * print and without colour vision. Domain colours: M. Okabe and K. Ito, Color Universal Design, 2008.
 */
import type { PcpuSpan, Span, Timeline, VcpuCause, VcpuSpan } from "./timeline.ts";

export function ganttSvg(timeline: Timeline, title: string): string {
  const used = causesIn(timeline);
  const legend = legendRows(timeline, used);
  const rows = rowsOf(timeline);
  const bottom = rows.at(-1)!.y + ROW_HEIGHT;
  const height = bottom + AXIS_HEIGHT + legend.height;
  const width = LEFT + WIDTH + RIGHT;
  const x = (time: number): number => LEFT + (WIDTH * (time - timeline.from)) / (timeline.to - timeline.from);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ${FONT}>`,
    `<title>${xmlText(title)}</title>`,
    `<rect width="100%" height="100%" fill="white"/>`,
    patterns(timeline, used),
    `<text x="${LEFT}" y="16" font-size="13" font-weight="bold">${xmlText(title)}</text>`,
    ...rows.flatMap((row) => drawRow(row, x)),
    ...axis(timeline, bottom, x),
    ...legend.draw(bottom + AXIS_HEIGHT),
    "</svg>",
    "",
  ].join("\n");
}

const FONT = 'font-family="Helvetica, Arial, sans-serif" font-size="11"';
/** Dark on a white rim, so that it reads on every colour. */
const LABEL_STYLE =
  'text-anchor="middle" font-weight="bold" fill="#111" stroke="white" stroke-width="2.5" paint-order="stroke"';
const LEFT = 110;
const WIDTH = 1000;
const RIGHT = 30;
const TOP = 28;
const ROW_HEIGHT = 16;
const ROW_GAP = 3;
const GROUP_GAP = 16;
const AXIS_HEIGHT = 40;
const LEGEND_COLUMN = 250;
/** A vCPU's number is written into a span that is at least so wide. */
const LABEL_PIXELS_MIN = 16;
/** Thinner spans would cost megabytes and show nothing. */
const SPAN_PIXELS_MIN = 0.1;

interface Domain {
  readonly colour: string;
  readonly shade: string;
  readonly tint: string;
}

const DOMAINS: readonly Domain[] = [
  { colour: "#0072b2", shade: "#004a75", tint: "#d6e8f3" },
  { colour: "#e69f00", shade: "#9c6b00", tint: "#fbeccc" },
  { colour: "#009e73", shade: "#00664a", tint: "#ccece3" },
  { colour: "#cc79a7", shade: "#8c4a6e", tint: "#f5e4ed" },
  { colour: "#56b4e9", shade: "#2a7aa8", tint: "#ddf0fb" },
  { colour: "#d55e00", shade: "#8a3c00", tint: "#f7dfcc" },
];

/** How each cause is drawn, in the order of the legend. */
const LOOKS: readonly { readonly cause: VcpuCause; readonly look: Look; readonly text: string }[] = [
  { cause: "user", look: "solid", text: "computes" },
  { cause: "kernel", look: "shade", text: "guest kernel, interrupts" },
  { cause: "spin", look: "diagonal", text: "spins, the holder runs" },
  { cause: "spin-holder-preempted", look: "cross", text: "spins, the holder is preempted" },
  { cause: "spin-waiter-preempted", look: "grid", text: "spins, the next in line is preempted" },
  { cause: "spin-barrier", look: "dots", text: "spins at a barrier" },
  { cause: "spin-ipi", look: "upright", text: "waits for acknowledgements" },
  { cause: "spin-ipi-preempted", look: "bars", text: "the same, a target is preempted" },
  { cause: "steal", look: "tint", text: "runnable, waits for a pCPU" },
  { cause: "co-stopped", look: "dashed", text: "stopped by co-scheduling" },
  { cause: "parked", look: "grey", text: "out of budget" },
  { cause: "idle", look: "none", text: "idle" },
  { cause: "offline", look: "line", text: "offline" },
];

type Look =
  | "solid"
  | "shade"
  | "diagonal"
  | "cross"
  | "grid"
  | "dots"
  | "upright"
  | "bars"
  | "tint"
  | "dashed"
  | "grey"
  | "none"
  | "line";

/** The strokes of the looks that are patterns, on a tile of 6 by 6. */
const STROKES: Partial<Record<Look, string>> = {
  diagonal: "M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2",
  cross: "M0,6 l6,-6 M0,0 l6,6",
  grid: "M0,3 h6 M3,0 v6",
  upright: "M3,0 v6",
  bars: "M1.5,0 v6 M4.5,0 v6",
};

interface Row {
  readonly label: string;
  readonly y: number;
  readonly cells: readonly (Span & {
    readonly domain: number;
    readonly cause: VcpuCause;
    readonly label: string;
  })[];
  /** Drawn first: where a pCPU idles though a vCPU waits. */
  readonly wasted: readonly Span[];
}

function rowsOf({ pcpus, domains }: Timeline): Row[] {
  const rows: Row[] = [];
  let y = TOP;
  const add = (label: string, cells: Row["cells"], wasted: readonly Span[]): void => {
    rows.push({ label, y, cells, wasted });
    y += ROW_HEIGHT + ROW_GAP;
  };
  pcpus.forEach((spans, p) => {
    const wasted = spans.filter(({ isIdleWhileWaiting }) => isIdleWhileWaiting);
    add(`pCPU ${p}`, spans.flatMap(pcpuCell), wasted);
  });
  domains.forEach(({ name, vcpus }, domain) => {
    y += GROUP_GAP - ROW_GAP;
    vcpus.forEach((spans, v) => {
      const cell = ({ from, to, cause, pcpu }: VcpuSpan) => ({
        from,
        to,
        domain,
        cause,
        label: pcpu === null ? "" : String(pcpu),
      });
      add(`${name} vCPU ${v}`, spans.map(cell), []);
    });
  });
  return rows;
}

function pcpuCell({ from, to, runs }: PcpuSpan): Row["cells"] {
  return runs === null
    ? []
    : [{ from, to, domain: runs.domain, cause: runs.cause, label: String(runs.vcpu) }];
}

function drawRow({ label, y, cells, wasted }: Row, x: (time: number) => number): string[] {
  const rect = (span: Span, style: string): string =>
    `<rect x="${round(x(span.from))}" y="${y}" width="${round(x(span.to) - x(span.from))}" height="${ROW_HEIGHT}" ${style}/>`;
  const drawn = visible(cells, x).map((cell) => ({ cell, style: styleOf(cell.domain, cell.cause) }));
  return [
    `<text x="${LEFT - 6}" y="${y + 12}" text-anchor="end">${xmlText(label)}</text>`,
    `<path d="M${LEFT},${y + ROW_HEIGHT + 0.5} h${WIDTH}" stroke="#ddd"/>`,
    '<g shape-rendering="crispEdges">',
    ...wasted.map((span) => rect(span, 'fill="url(#wasted)"')),
    ...drawn.map(({ cell, style }) => (style === null ? "" : rect(cell, style))),
    "</g>",
    ...runsOf(cells).map(({ from, to, label }) => {
      if (label === "" || x(to) - x(from) < LABEL_PIXELS_MIN) return "";
      const middle = round((x(from) + x(to)) / 2);
      return `<text x="${middle}" y="${y + 12}" ${LABEL_STYLE}>${label}</text>`;
    }),
  ].filter((line) => line !== "");
}

/** A span too thin to be seen is drawn as part of the one before it. */
function visible(cells: Row["cells"], x: (time: number) => number): Row["cells"] {
  const kept: Row["cells"][number][] = [];
  for (const cell of cells) {
    const last = kept.at(-1);
    const joins = last?.to === cell.from && last.domain === cell.domain;
    const isThin = x(cell.to) - x(cell.from) < SPAN_PIXELS_MIN;
    if (joins && (isThin || last.cause === cell.cause)) kept[kept.length - 1] = { ...last, to: cell.to };
    else if (!isThin) kept.push(cell);
  }
  return kept;
}

/** Neighbours of one domain with the same label, so that it is written once. */
function runsOf(cells: Row["cells"]): (Span & { readonly label: string })[] {
  const runs: { from: number; to: number; domain: number; label: string }[] = [];
  for (const { from, to, domain, label } of cells) {
    const last = runs.at(-1);
    if (last?.to === from && last.domain === domain && last.label === label) last.to = to;
    else runs.push({ from, to, domain, label });
  }
  return runs;
}

/** The attributes of a span, or null when nothing is drawn. */
function styleOf(domain: number, cause: VcpuCause): string | null {
  const index = domain % DOMAINS.length;
  const { colour, shade, tint } = DOMAINS[index];
  const look = lookOf(cause);
  switch (look) {
    case "none":
      return null;
    case "solid":
      return `fill="${colour}"`;
    case "shade":
      return `fill="${shade}"`;
    case "tint":
      return `fill="${tint}" stroke="${colour}" stroke-width="0.5"`;
    case "dashed":
      return `fill="${tint}" stroke="${shade}" stroke-width="1" stroke-dasharray="3 2"`;
    case "grey":
      return 'fill="#bbb"';
    case "line":
      return 'fill="#eee"';
    default:
      return `fill="url(#d${index}-${look})"`;
  }
}

/** A thread's waits inside the guest are the vCPU's idling. */
function lookOf(cause: VcpuCause): Look {
  return LOOKS.find((each) => each.cause === cause)?.look ?? "none";
}

function patterns({ domains }: Timeline, used: ReadonlySet<VcpuCause>): string {
  const tile = (id: string, inner: string): string =>
    `<pattern id="${id}" width="6" height="6" patternUnits="userSpaceOnUse">${inner}</pattern>`;
  const tiles = domains.slice(0, DOMAINS.length).flatMap((_, index) => {
    const { colour, tint } = DOMAINS[index];
    const back = `<rect width="6" height="6" fill="${tint}"/>`;
    return [...used].map(lookOf).flatMap((look) => {
      const strokes = STROKES[look];
      if (look === "dots")
        return [
          tile(
            `d${index}-dots`,
            `${back}<circle cx="1.5" cy="1.5" r="1.2" fill="${colour}"/><circle cx="4.5" cy="4.5" r="1.2" fill="${colour}"/>`,
          ),
        ];
      return strokes === undefined
        ? []
        : [tile(`d${index}-${look}`, `${back}<path d="${strokes}" stroke="${colour}" stroke-width="1.3"/>`)];
    });
  });
  const wasted = tile("wasted", '<path d="M0,6 l6,-6" stroke="#c00" stroke-width="0.7"/>');
  return `<defs>${[...tiles, wasted].join("")}</defs>`;
}

/** Grid lines at round times. */
function axis(timeline: Timeline, y: number, x: (time: number) => number): string[] {
  const step = tickStep(timeline.to - timeline.from);
  const first = Math.ceil(timeline.from / step) * step;
  const count = Math.floor((timeline.to - first) / step) + 1;
  return Array.from({ length: count }, (_, i) => first + i * step).flatMap((at) => [
    `<path d="M${round(x(at))},${TOP - 4} V${y + 4}" stroke="#999" stroke-width="0.5" stroke-dasharray="2 3"/>`,
    `<text x="${round(x(at))}" y="${y + 18}" text-anchor="middle">${at / NS_PER_MS} ms</text>`,
  ]);
}

const NS_PER_MS = 1_000_000;
const TICKS_MAX = 12;

/** 1, 2 or 5 times a power of ten. */
function tickStep(length: number): number {
  for (let power = 1; ; power *= 10) {
    for (const factor of [1, 2, 5]) if (length <= factor * power * TICKS_MAX) return factor * power;
  }
}

const NUMBERS = "A number on a pCPU is the vCPU that runs there; on a vCPU it is the pCPU that it runs on.";

function legendRows(
  { domains, pcpus }: Timeline,
  used: ReadonlySet<VcpuCause>,
): { readonly height: number; readonly draw: (y: number) => string[] } {
  const isWasted = pcpus.some((spans) => spans.some(({ isIdleWhileWaiting }) => isIdleWhileWaiting));
  const entries = [
    ...domains.map(({ name }, d) => ({ style: styleOf(d, "user")!, text: name })),
    ...LOOKS.filter(({ cause, look }) => cause !== "user" && look !== "none" && used.has(cause)).map(
      ({ cause, text }) => ({
        style: styleOf(0, cause)!,
        text,
      }),
    ),
    ...(isWasted
      ? [{ style: 'fill="url(#wasted)" stroke="#c00" stroke-width="0.5"', text: "idle though a vCPU waits" }]
      : []),
  ];
  const columns = Math.floor(WIDTH / LEGEND_COLUMN);
  return {
    height: (Math.ceil(entries.length / columns) + 1) * (ROW_HEIGHT + 6) + 10,
    draw: (y) => [
      ...entries.flatMap(({ style, text }, i) => {
        const left = LEFT + (i % columns) * LEGEND_COLUMN;
        const top = y + Math.floor(i / columns) * (ROW_HEIGHT + 6);
        return [
          `<rect x="${left}" y="${top}" width="24" height="${ROW_HEIGHT - 2}" ${style}/>`,
          `<text x="${left + 30}" y="${top + 11}">${xmlText(text)}</text>`,
        ];
      }),
      `<text x="${LEFT}" y="${y + Math.ceil(entries.length / columns) * (ROW_HEIGHT + 6) + 11}" fill="#555">${NUMBERS}</text>`,
    ],
  };
}

function causesIn({ domains }: Timeline): Set<VcpuCause> {
  return new Set(domains.flatMap(({ vcpus }) => vcpus.flat().map(({ cause }) => cause)));
}

function round(pixels: number): number {
  return Math.round(pixels * 100) / 100;
}

function xmlText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
