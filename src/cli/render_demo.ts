/** One frame of the demo, and its lines for a pipe: the rates side by side, above the daemon's own status. */
import type { DemoGuest, DemoState } from "../lab/demo.ts";
import type { SimulatedDemoState } from "../lab/simulated_demo.ts";
import type { StateView } from "../protocol/state_view.ts";
import { truncate, wrap } from "./columns.ts";
import { renderBar } from "./render_bar.ts";
import { renderStatus } from "./render_status.ts";
import type { Style } from "./style.ts";

export interface DemoLayout {
  readonly width: number;
  readonly height: number;
  readonly style: Style;
  readonly utcOffsetMinutes: number;
}

export function renderDemo(state: DemoState, layout: DemoLayout): string[] {
  const { width, style } = layout;
  const head = [
    `${style.title("vbal demo")}  ${style.faint(truncate(setting(state), width - 11))}`,
    ...wrap(stageText(state), width),
    "",
    ...renderRates(state, layout),
    "",
  ];
  return withStatus(head, state, layout);
}

export function renderSimulatedDemo(state: SimulatedDemoState, layout: DemoLayout): string[] {
  const { width, style } = layout;
  const head = [
    `${style.title("vbal demo")}  ${style.faint(truncate("the shipped daemon on a simulated host of 12 pCPUs", width - 11))}`,
    ...wrap(state.scene, width).map(style.good),
    "",
  ];
  return withStatus(head, state, layout);
}

/** The head, as much of the daemon's status as fits below it, and the keys. */
function withStatus(
  head: readonly string[],
  { view, controlSocket }: { readonly view: StateView | null; readonly controlSocket: string },
  layout: DemoLayout,
): string[] {
  const { width, height, style } = layout;
  const keys = style.faint(
    truncate(`q quit   In another terminal: npx vbal top --control ${controlSocket}`, width),
  );
  const room = height - head.length - 1;
  const status = view === null ? [] : renderStatus(view, { ...layout, height: room }).slice(0, room);
  const filler = Array.from({ length: Math.max(0, room - status.length) }, () => "");
  return [...head, ...status, ...filler, keys].slice(0, height);
}

/** What changed since the line before, for a pipe: one line a second while the stages last. */
export function renderDemoLine(state: DemoState): string {
  const rates = state.guests.map(
    ({ name, rateNow }) => `${name} ${rateNow === null ? "-" : rateText(rateNow)}`,
  );
  return `${state.stage.padEnd(7)} ${String(state.secondsInStage).padStart(3)}s  rounds/s: ${rates.join("  ")}`;
}

/** The result in one sentence per guest; empty before both stages had a rate. */
export function renderDemoResult({ guests }: DemoState): string[] {
  return guests.flatMap(({ name, defaultRate, vbalRate }) =>
    defaultRate === null || vbalRate === null
      ? []
      : [
          `${name}: ${rateText(defaultRate)} rounds/s under default scheduling, ${rateText(vbalRate)} under vbal: ${factor(defaultRate, vbalRate)}`,
        ],
  );
}

function setting({ guests, pcpus, accelerator }: DemoState): string {
  const emulated = accelerator === "tcg" ? "QEMU, software emulation" : "QEMU, KVM";
  return `${guests.length} real guests of ${pcpus} vCPUs each on ${pcpus} pCPUs (${emulated})`;
}

function stageText({ stage, secondsInStage, defaultSeconds }: DemoState): string {
  switch (stage) {
    case "booting":
      return `Booting the guests (${secondsInStage} s) ...`;
    case "default":
      return [
        `Default scheduling, ${Math.max(0, defaultSeconds - secondsInStage)} s to go: in each guest`,
        "one thread per vCPU maps, touches and unmaps memory; vbal only looks on.",
      ].join(" ");
    case "vbal":
      return "vbal: each guest uses as many vCPUs as its weight buys pCPUs, each vCPU on a pCPU of its own.";
  }
}

const NAME_WIDTH = 8;
const NUMBER_WIDTH = 9;
const FACTOR_WIDTH = 8;
const BARS_WIDTH_MAX = 60;

function renderRates({ guests }: DemoState, { width, style }: DemoLayout): string[] {
  const most = Math.max(
    1,
    ...guests.flatMap(({ defaultRate, vbalRate }) => [defaultRate ?? 0, vbalRate ?? 0]),
  );
  const bars = Math.max(10, Math.min(BARS_WIDTH_MAX, width - NAME_WIDTH - NUMBER_WIDTH - FACTOR_WIDTH - 12));
  const row = (name: string, arm: string, rate: number | null, look: (text: string) => string, end: string) =>
    [
      name.padEnd(NAME_WIDTH),
      style.faint(arm.padEnd(8)),
      look(renderBar(rate === null ? 0 : rate / most, bars, style.unicode)),
      (rate === null ? "-" : rateText(rate)).padStart(NUMBER_WIDTH),
      end,
    ]
      .join(" ")
      .trimEnd();
  return [
    style.title("Rounds of the program per second"),
    ...guests.flatMap((guest, number) => [
      row(guest.name, "default", guest.defaultRate, style.faint, ""),
      row("", "vbal", guest.vbalRate, (text) => style.domain(number, text), gainOf(guest, style)),
    ]),
  ];
}

function gainOf({ defaultRate, vbalRate }: DemoGuest, style: Style): string {
  if (defaultRate === null || vbalRate === null) return "";
  return style.good(factor(defaultRate, vbalRate));
}

function factor(before: number, after: number): string {
  return before <= 0 ? "from nothing" : `x ${(after / before).toFixed(1)}`;
}

function rateText(rate: number): string {
  return rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en-US");
}
