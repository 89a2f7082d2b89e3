/**
 * The map of the host: nodes, cores, pCPUs, and on each the vCPUs that belong there. A cell is a button that opens its
 * domain; arrow keys go from cell to cell, so that the map is one stop for Tab.
 */
import { useRef } from "preact/hooks";
import type { PcpuView, StateView } from "../protocol/state_view.ts";
import { hueOf, keyOf } from "./domain_colour.ts";
import { percent } from "./format.ts";
import { grouped } from "./grouped.ts";
import { selected } from "./live_state.ts";
import { type Cell, cellsOf } from "./map_cells.ts";
import { openDomain } from "./route.ts";

export function HostMap({ state }: { state: StateView }) {
  const grid = useRef<HTMLDivElement>(null);
  const cells = cellsOf(state);
  const nodes = grouped(cells, ({ pcpu }) => pcpu.node).sort(([a], [b]) => a - b);
  const idle = cells.filter(({ pcpu, guests }) => pcpu.inPool && pcpu.online && guests.length === 0).length;
  return (
    <section aria-labelledby="map-title" class="card">
      <h2 id="map-title">
        Host <span class="faint">{idle === 0 ? "every pCPU is given out" : `${idle} pCPUs are idle`}</span>
      </h2>
      <div
        class="map"
        role="toolbar"
        aria-labelledby="map-title"
        ref={grid}
        onKeyDown={(event) => walk(event, grid.current)}
      >
        {nodes.map(([node, ofNode]) => (
          <section class="node" key={node} aria-label={`NUMA node ${node}`}>
            {nodes.length === 1 ? null : <h3>node {node}</h3>}
            <div class="cores">
              {grouped(ofNode, ({ pcpu }) => pcpu.core).map(([core, ofCore]) => (
                <div class={ofCore.length === 1 ? "core" : "core has-threads"} key={core}>
                  {ofCore.map((cell) => (
                    <PcpuCell cell={cell} isFirst={cell === cells[0]} key={cell.pcpu.id} />
                  ))}
                </div>
              ))}
            </div>
          </section>
        ))}
      </div>
    </section>
  );
}

function PcpuCell({ cell, isFirst }: { cell: Cell; isFirst: boolean }) {
  const { pcpu, guests, runPercent } = cell;
  const isOpen = guests.some(({ domain }) => domain === selected.value);
  return (
    <button
      type="button"
      class={`pcpu ${kindOf(pcpu, guests.length)} ${isOpen ? "is-open" : ""}`}
      tabIndex={isFirst ? 0 : -1}
      aria-label={descriptionOf(cell)}
      title={descriptionOf(cell)}
      onClick={() => guests[0] !== undefined && openDomain(guests[0].domain)}
    >
      <span class="number">{pcpu.id}</span>
      <span class="guests">
        {guests.slice(0, GUESTS_SHOWN_MAX).map(({ domain, number, vcpu, isRunning }) => (
          <span
            class={isRunning ? "guest" : "guest is-meant"}
            style={{ "--hue": hueOf(number) }}
            key={`${domain} ${vcpu}`}
          >
            {keyOf(number)}
            <sub>{vcpu}</sub>
          </span>
        ))}
        {GUESTS_SHOWN_MAX < guests.length ? (
          <span class="more">+{guests.length - GUESTS_SHOWN_MAX}</span>
        ) : null}
      </span>
      <span class="bar" aria-hidden="true">
        <span style={{ width: `${Math.min(100, runPercent ?? 0)}%` }} />
      </span>
    </button>
  );
}

/** More than these would make a cell wider than a thumb. */
const GUESTS_SHOWN_MAX = 2;

function kindOf(pcpu: PcpuView, guests: number): string {
  if (!pcpu.online) return "is-offline";
  if (!pcpu.inPool) return "is-not-ours";
  return guests === 0 ? "is-idle" : 1 < guests ? "is-shared" : "is-used";
}

function descriptionOf({ pcpu, guests, runPercent }: Cell): string {
  const where = `pCPU ${pcpu.id}, core ${pcpu.core}, node ${pcpu.node}`;
  if (!pcpu.online) return `${where}: offline`;
  if (!pcpu.inPool) return `${where}: not divided by vbal`;
  if (guests.length === 0) return `${where}: idle`;
  const who = guests.map(
    ({ domain, vcpu, isRunning }) => `${domain} vCPU ${vcpu}${isRunning ? "" : " (not there yet)"}`,
  );
  return `${where}: ${who.join(", ")}${runPercent === null ? "" : `, ${percent(runPercent)} busy`}`;
}

/** Arrow keys, Home and End move the focus among the cells. */
function walk(event: KeyboardEvent, grid: HTMLElement | null): void {
  const cells = [...(grid?.querySelectorAll<HTMLButtonElement>(".pcpu") ?? [])];
  const at = cells.indexOf(document.activeElement as HTMLButtonElement);
  const to = at === -1 ? null : targetOf(event.key, at, cells);
  if (to === null || cells[to] === undefined) return;
  event.preventDefault();
  for (const cell of cells) cell.tabIndex = -1;
  cells[to].tabIndex = 0;
  cells[to].focus();
}

function targetOf(key: string, at: number, cells: readonly HTMLElement[]): number | null {
  switch (key) {
    case "ArrowRight":
      return at + 1;
    case "ArrowLeft":
      return at - 1;
    case "ArrowDown":
      return nearestInRow(at, cells, 1);
    case "ArrowUp":
      return nearestInRow(at, cells, -1);
    case "Home":
      return 0;
    case "End":
      return cells.length - 1;
    default:
      return null;
  }
}

/** The cell above or below: of those further on in that direction, the nearest on the screen. */
function nearestInRow(at: number, cells: readonly HTMLElement[], step: 1 | -1): number | null {
  const from = cells[at]!.getBoundingClientRect();
  let best: number | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  cells.forEach((cell, index) => {
    const to = cell.getBoundingClientRect();
    const down = (to.top - from.top) * step;
    const distance = down * ROW_WEIGHT + Math.abs(to.left - from.left);
    if (0 < down && distance < bestDistance) {
      best = index;
      bestDistance = distance;
    }
  });
  return best;
}

/** A row further away is further than any column. */
const ROW_WEIGHT = 10;
