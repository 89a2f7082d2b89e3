/** The lab benchmark as a table for a terminal and as a picture (SVG): per program, the time of each arm with its interval. */
import { ARMS, type Arm, type LabBenchResult } from "./bench_lab.ts";

const COLOURS: Readonly<Record<Arm, string>> = {
  default: "#8a8f98",
  affinity: "#c9a227",
  static: "#5b8def",
  "static-smp": "#6f8f3c",
  vbal: "#1f9d55",
  alone: "#7f7f7f",
  "alone-one": "#b0b0b0",
};

export function renderLabTable(result: LabBenchResult): string[] {
  const measured = measuredArms(result);
  const others = measured.includes("vbal") ? measured.filter((arm) => arm !== "vbal") : [];
  const head = ["program", ...measured, ...others.map((arm) => `vbal/${arm}`)];
  const rows = Object.entries(result.programs).map(([program, { arms, vbalOver }]) => [
    program,
    ...measured.map((arm) => {
      const { medianSeconds, ci95 } = arms[arm]!;
      return `${seconds(medianSeconds)} [${seconds(ci95[0])}, ${seconds(ci95[1])}]`;
    }),
    ...others.map((arm) => {
      const { ratio, ci95 } = vbalOver[arm]!;
      return `${ratio.toFixed(2)} [${ci95[0].toFixed(2)}, ${ci95[1].toFixed(2)}]`;
    }),
  ]);
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join("  ")
      .trimEnd();
  const { pcpus, accelerator, model } = result.host;
  return [
    `Seconds, median of ${result.rounds} rounds with 95 % intervals; ${result.guests} guests on ${pcpus} pCPUs, ${accelerator}, ${model}`,
    line(head),
    ...rows.map(line),
  ];
}

function measuredArms({ programs }: LabBenchResult): readonly Arm[] {
  return ARMS.filter((arm) => Object.values(programs).every(({ arms }) => arms[arm] !== undefined));
}

const WIDTH = 760;
const LABEL_WIDTH = 120;
const VALUE_WIDTH = 150;
const BAR_HEIGHT = 16;
const GROUP_GAP = 22;
const TOP = 74;

/** Bars are scaled per program to the slowest arm: programs differ in length, arms are what is compared. */
export function renderLabSvg(result: LabBenchResult): string {
  const programs = Object.entries(result.programs);
  const measured = measuredArms(result);
  const groupHeight = measured.length * BAR_HEIGHT + GROUP_GAP;
  const height = TOP + programs.length * groupHeight + 10;
  const scaleWidth = WIDTH - LABEL_WIDTH - VALUE_WIDTH;
  const groups = programs.map(([program, { arms }], i) => {
    const longest = Math.max(...measured.map((arm) => arms[arm]!.ci95[1]));
    const x = (value: number) => LABEL_WIDTH + (scaleWidth * value) / longest;
    const y = TOP + i * groupHeight;
    const bars = measured.map((arm, k) => {
      const { medianSeconds, ci95 } = arms[arm]!;
      const top = y + k * BAR_HEIGHT;
      const middle = top + BAR_HEIGHT / 2 - 1;
      return [
        rect({
          x: LABEL_WIDTH,
          y: top,
          width: x(medianSeconds) - LABEL_WIDTH,
          height: BAR_HEIGHT - 3,
          fill: COLOURS[arm],
        }),
        `<path d="M${fixed(x(ci95[0]))} ${middle}H${fixed(x(ci95[1]))}" stroke="#222" stroke-width="1.5"/>`,
        text(x(Math.max(medianSeconds, ci95[1])) + 8, top + 11, `${arm} ${seconds(medianSeconds)} s`, "#333"),
      ].join("");
    });
    return `${text(8, y + 2 * BAR_HEIGHT + 4, program, "#111", "bold")}${bars.join("")}`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    rect({ x: 0, y: 0, width: WIDTH, height, fill: "#fff" }),
    text(8, 24, "Two guests on two pCPUs: time per program, shorter is better", "#111", "bold"),
    text(
      8,
      44,
      `Median of ${result.rounds} interleaved rounds, line: 95 % interval. ${result.host.accelerator}, ${result.host.model}`,
      "#555",
    ),
    ...groups,
    "</svg>",
    "",
  ].join("\n");
}

function rect(box: { x: number; y: number; width: number; height: number; fill: string }): string {
  return `<rect x="${fixed(box.x)}" y="${box.y}" width="${fixed(box.width)}" height="${box.height}" fill="${box.fill}"/>`;
}

function text(x: number, y: number, content: string, fill: string, weight = "normal"): string {
  const escaped = content.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  return `<text x="${fixed(x)}" y="${y}" fill="${fill}" font-weight="${weight}">${escaped}</text>`;
}

function fixed(value: number): string {
  return value.toFixed(1);
}

function seconds(value: number): string {
  return value.toFixed(2);
}
