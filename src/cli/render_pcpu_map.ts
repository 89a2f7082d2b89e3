/**
 * The map of pCPUs: a numbered cell each, with the keys of the domains that are there, grouped by node.
 *
 *     node 0   0  1  2  3
 *              A  A  B  AC
 */
import type { Style } from "./style.ts";

export interface PcpuMap {
  /** In the order in which they are shown within their node. */
  readonly pcpus: readonly MapPcpu[];
  readonly width: number;
  /** No more lines than this; what does not fit is counted. */
  readonly linesMax?: number;
  readonly style: Style;
}

export interface MapPcpu {
  readonly id: number;
  readonly node: number;
  readonly state: "in-use" | "idle" | "not-ours" | "offline";
  readonly occupants: readonly MapOccupant[];
}

export interface MapOccupant {
  /** The domain's number in `domainKey`. */
  readonly number: number;
  /** Shown strongly: it runs here now. Faint: it is only meant to. */
  readonly isRunning: boolean;
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** A short key for the domain of that number, from 0: A, B, ... z, then AA, AB, ... */
export function domainKey(number: number): string {
  const rest = Math.floor(number / LETTERS.length);
  return (rest === 0 ? "" : domainKey(rest - 1)) + LETTERS[number % LETTERS.length]!;
}

/** Domains whose keys together are longer than this are shown as a count, so that cells stay narrow. */
const KEYS_WIDTH_MAX = 3;

export function renderPcpuMap(map: PcpuMap): string[] {
  const { pcpus, style } = map;
  const nodes = [...new Set(pcpus.map(({ node }) => node))].sort((a, b) => a - b);
  const cellWidth =
    1 + Math.max(2, ...pcpus.map((pcpu) => Math.max(String(pcpu.id).length, cellText(pcpu, style).length)));
  const label = nodes.length === 1 ? "" : `node ${nodes.at(-1)}`;
  const perLine = Math.max(1, Math.floor((map.width - label.length - 1) / cellWidth));
  const linesMax = map.linesMax ?? Number.POSITIVE_INFINITY;
  const lines: string[] = [];
  let shown = 0;
  for (const node of nodes) {
    const ofNode = pcpus.filter((pcpu) => pcpu.node === node);
    for (let i = 0; i < ofNode.length; i += perLine) {
      if (linesMax < lines.length + 2) continue;
      const part = ofNode.slice(i, i + perLine);
      const head = label === "" ? "" : (i === 0 ? `node ${node}` : "").padEnd(label.length);
      lines.push(style.faint(head + part.map(({ id }) => String(id).padStart(cellWidth)).join("")));
      lines.push(" ".repeat(head.length) + part.map((pcpu) => renderCell(pcpu, cellWidth, style)).join(""));
      shown += part.length;
    }
  }
  if (shown < pcpus.length) lines.push(style.faint(`and ${pcpus.length - shown} pCPUs more`));
  return lines;
}

function renderCell(pcpu: MapPcpu, cellWidth: number, style: Style): string {
  const text = cellText(pcpu, style);
  const space = " ".repeat(cellWidth - text.length);
  if (pcpu.state !== "in-use") return space + style.faint(text);
  if (KEYS_WIDTH_MAX < keysOf(pcpu).length) return space + style.warn(text);
  const keys = pcpu.occupants.map(({ number, isRunning }) =>
    isRunning ? style.domain(number, domainKey(number)) : style.faint(domainKey(number)),
  );
  return space + keys.join("");
}

function cellText(pcpu: MapPcpu, style: Style): string {
  switch (pcpu.state) {
    case "offline":
      return "x";
    case "not-ours":
      return style.unicode ? "–" : "-";
    case "idle":
      return style.unicode ? "·" : ".";
    case "in-use":
      return KEYS_WIDTH_MAX < keysOf(pcpu).length
        ? `${pcpu.occupants.length}${style.unicode ? "×" : "x"}`
        : keysOf(pcpu);
  }
}

function keysOf({ occupants }: MapPcpu): string {
  return occupants.map(({ number }) => domainKey(number)).join("");
}
