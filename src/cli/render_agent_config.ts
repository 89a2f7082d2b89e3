/** Every threshold that is in force in a guest, who said so, and how far the load is from it. */
import type { DomainView } from "../protocol/state_view.ts";
import { type Cell, renderTable, wrap } from "./columns.ts";
import { renderNumber } from "./render_load.ts";
import type { Style } from "./style.ts";

export function renderAgentConfig(
  { name, monitor, load, guestAgent }: DomainView,
  { width, style }: { readonly width: number; readonly style: Style },
): string[] {
  if (monitor === undefined) return [`${name}: this daemon says nothing of load monitors`];
  const { on, measuresEveryMs, thresholds, inForce } = monitor;
  const sent = measuresEveryMs === 0 ? "measures never sent" : `measures every ${measuresEveryMs / 1000} s`;
  const head = `${style.title(name)}  load monitor ${on ? "on" : "off"}, ${sent}`;
  const said = inForce ?? [];
  const names = new Set([...said.map(({ measure }) => measure), ...Object.keys(thresholds)]);
  const now = new Map(load?.measures.map((measure) => [measure.measure, measure]));
  const rows = [...names].map((id): Cell[] => {
    const own = said.find(({ measure }) => measure === id);
    const value = own === undefined ? (thresholds[id] ?? null) : own.value;
    const values = now.get(id)?.values.filter((each) => each !== null) ?? [];
    return [
      { text: id },
      { text: value === null ? "none" : renderNumber(value) },
      { text: own?.origin ?? "host, not heard yet", look: style.faint },
      { text: values.length === 0 ? "-" : renderNumber(Math.max(...values)) },
      { text: now.get(id)?.unit ?? "", look: style.faint },
    ];
  });
  const columns = [
    { title: "measure", align: "left", shrinkTo: 20 },
    { title: "threshold", align: "right" },
    { title: "set by", align: "left", dropRank: 2 },
    { title: "now", align: "right", dropRank: 1 },
    { title: "unit", align: "left", dropRank: 3 },
  ] as const;
  const silent =
    guestAgent === "vbal-agent"
      ? "Its guest has not said yet what is in force"
      : "Its guest has no load monitor, so nothing is in force";
  return [
    head,
    ...(rows.length === 0 ? [] : renderTable({ columns, rows, width, titleLook: style.faint })),
    ...(inForce === undefined ? wrap(silent, width).map(style.warn) : []),
  ];
}
