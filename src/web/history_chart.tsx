/** History of one domain, or of the host, as lines over time. Drawn by uPlot; the newest values stand in the legend. */
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { HistoryView } from "../protocol/api_history.ts";
import { readHistory } from "./api.ts";
import { linesOf } from "./history_lines.ts";

export function HistoryChart({ domain }: { domain: string | null }) {
  const [hours, setHours] = useState<number>(SPANS[0]!.hours);
  const [said, setSaid] = useState("Reading the history…");
  const place = useRef<HTMLDivElement>(null);

  useEffect(() => {
    let chart: uPlot | null = null;
    let isOver = false;
    const draw = async (): Promise<void> => {
      const to = Date.now();
      const history = await readHistory(domain, { from: to - hours * MS_PER_HOUR, to, points: POINTS });
      if (isOver || place.current === null) return;
      if (!history.ok) return setSaid(history.why);
      if (history.value.atMs.length < 2) return setSaid("Nothing is recorded for this time yet.");
      setSaid("");
      const data = chartData(history.value);
      if (chart === null)
        chart = new uPlot(options(place.current.clientWidth, history.value), data, place.current);
      else chart.setData(data);
    };
    const resize = new ResizeObserver(() =>
      chart?.setSize({ width: place.current!.clientWidth, height: HEIGHT }),
    );
    resize.observe(place.current!);
    void draw();
    const timer = setInterval(() => void draw(), REDRAW_MS);
    return () => {
      isOver = true;
      clearInterval(timer);
      resize.disconnect();
      chart?.destroy();
    };
  }, [domain, hours]);

  return (
    <div class="chart">
      <fieldset class="buttons">
        <legend class="hidden">Time shown</legend>
        {SPANS.map(({ hours: each, text }) => (
          <button type="button" key={each} aria-pressed={each === hours} onClick={() => setHours(each)}>
            {text}
          </button>
        ))}
      </fieldset>
      {said === "" ? null : <p class="faint">{said}</p>}
      <div ref={place} />
    </div>
  );
}

const SPANS = [
  { hours: 1, text: "1 hour" },
  { hours: 24, text: "1 day" },
  { hours: 24 * 7, text: "1 week" },
] as const;
const HEIGHT = 180;
const REDRAW_MS = 10_000;

const MS_PER_HOUR = 3_600_000;
/** As many as a panel has pixels to show them. */
const POINTS = 400;

/** uPlot counts in seconds. */
function chartData(history: HistoryView): uPlot.AlignedData {
  const columns = linesOf(history).map(({ values }) => [...values]);
  return [history.atMs.map((at) => at / 1_000), ...columns] as uPlot.AlignedData;
}

function options(width: number, history: HistoryView): uPlot.Options {
  const line = { stroke: LINE, width: 1 };
  const axis: uPlot.Axis = { stroke: TEXT, grid: line, ticks: line, font: "12px system-ui, sans-serif" };
  return {
    width,
    height: HEIGHT,
    padding: [null, LABEL_WIDTH / 2, null, null],
    cursor: { points: { size: 6 } },
    axes: [
      { ...axis, values: (_, splits) => timesOf(splits), space: LABEL_WIDTH },
      { ...axis, size: 44 },
    ],
    series: [
      { value: (_, second) => (second === null ? "–" : (timesOf([second])[0] ?? "–")) },
      ...linesOf(history).map(
        ({ name, unit }, place): uPlot.Series => ({
          label: `${name} (${unit})`,
          stroke: STROKES[place % STROKES.length]!,
          width: 2,
          spanGaps: false,
          value: (_, value) => (value === null ? "–" : String(Math.round(value * 100) / 100)),
        }),
      ),
    ],
  };
}

/** Of the widest, a day and a time, in pixels: a label at the end of the axis needs half of it beyond, and two must not meet. */
const LABEL_WIDTH = 90;

/** On a canvas, which knows no style sheet: readable on light and dark. */
const TEXT = "#808a95";
const LINE = "#808a9540";

/** The time of day; where days pass, the day too. */
function timesOf(seconds: readonly number[]): string[] {
  const span = (seconds.at(-1) ?? 0) - (seconds[0] ?? 0);
  const isLong = SECONDS_PER_DAY < span;
  // A history that has just begun: ticks of one minute would all read alike.
  const precise = span < SECONDS_SHOWN_BELOW ? ({ second: "2-digit" } as const) : {};
  return seconds.map((second) => {
    const date = new Date(second * 1_000);
    const time = date.toLocaleTimeString(undefined, {
      hour: "2-digit",
      minute: "2-digit",
      ...precise,
      hour12: false,
    });
    return isLong
      ? `${date.toLocaleDateString(undefined, { day: "numeric", month: "short" })} ${time}`
      : time;
  });
}

const SECONDS_PER_DAY = 86_400;
const SECONDS_SHOWN_BELOW = 600;

/** Readable on light and dark, and told apart by people who do not see red and green. */
const STROKES = ["#2f7fd0", "#c2621b", "#4f9d69", "#9a6fc9", "#8a8f98"];
