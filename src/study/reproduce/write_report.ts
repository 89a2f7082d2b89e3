/** Writes a report into a folder: the page, every picture as SVG, PNG and numbers, and the claims as JSON. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Resvg } from "@resvg/resvg-js";
import { renderCsv } from "../../sim/output/render_csv.ts";
import { sensitivityPlots } from "../plot/sensitivity_plots.ts";
import { FONT } from "../plot/svg.ts";
import { type About, reportHtml } from "./report_html.ts";
import type { Report } from "./reproduce.ts";

export interface WrittenReport {
  readonly page: string;
  readonly pictures: number;
  /** Null when the pictures were also written as PNG; else why not. */
  readonly withoutPng: string | null;
}

export function writeReport(folder: string, report: Report, about: About): WrittenReport {
  mkdirSync(folder, { recursive: true });
  const page = join(folder, "report.html");
  writeFileSync(page, reportHtml(report, about));
  writeFileSync(join(folder, "claims.json"), `${JSON.stringify({ claims: report.claims }, null, 1)}\n`);
  const plots = [
    ...report.sections.flatMap((section) => section.plots),
    ...(about.sensitivity === null ? [] : sensitivityPlots(about.sensitivity)),
  ];
  const fonts = FONT_FILES.filter((file) => existsSync(file));
  for (const { name, svg, data } of plots) {
    writeFileSync(join(folder, `${name}.svg`), svg);
    writeFileSync(join(folder, `${name}.csv`), `${renderCsv(data)}\n`);
    if (fonts.length > 0) writeFileSync(join(folder, `${name}.png`), png(svg, fonts));
  }
  return {
    page,
    pictures: plots.length,
    withoutPng:
      fonts.length > 0
        ? null
        : `no PNG was written, since the font ${FONT.split(",")[0]} is not installed (Debian: apt install fonts-dejavu-core)`,
  };
}

/** The renderer draws no text at all without a font file. */
const FONT_FILES = ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf"].map((file) =>
  join("/usr/share/fonts/truetype/dejavu", file),
);
const PNG_WIDTH = 1_380;

function png(svg: string, fontFiles: readonly string[]): Buffer {
  const renderer = new Resvg(svg, {
    fitTo: { mode: "width", value: PNG_WIDTH },
    font: { fontFiles: [...fontFiles], loadSystemFonts: false, defaultFontFamily: "DejaVu Sans" },
  });
  return renderer.render().asPng();
}
